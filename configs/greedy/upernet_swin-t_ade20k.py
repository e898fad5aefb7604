# UPerNet-Swin-T on ADE20K, greedy K=2: InfoPro without its decoder.
_base_ = ['../infopro/upernet_swin-t_ade20k.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
