# DeepLabV3-R50-D8 on Cityscapes, InfoPro K=2 (ours): weights and aux nets of
# the published R101, cut where it takes the least memory.
_base_ = ['./deeplabv3_r101_cityscapes.py']
local_module = _base_.model.backbone.local_modules[0]
local_module.boundary = 'layer3.3'
model = dict(
    pretrained='open-mmlab://resnet50_v1c',
    backbone=dict(backbone=dict(depth=50), local_modules=[local_module]),
)
