# Swin-T on ImageNet, greedy K=4: InfoPro without its decoder.
_base_ = ['../infopro/swin-tiny_imagenet.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
