# DeepLabV3-R50-D8 on Cityscapes, greedy K=2: InfoPro without its decoder.
_base_ = ['../infopro/deeplabv3_r50_cityscapes.py']
local_modules = _base_.model.backbone.local_modules
model = dict(
    backbone=dict(local_modules=[dict(m, decoder=None) for m in local_modules])
)
