# UPerNet-ViT-B on ADE20K, greedy K=2: InfoPro without its decoder.
_base_ = ['../infopro/upernet_vit-b_ade20k.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
