# SegFormer-B2 on Cityscapes, greedy K=4: InfoPro without its decoder.
_base_ = ['../infopro/segformer_mit-b2_cityscapes.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
