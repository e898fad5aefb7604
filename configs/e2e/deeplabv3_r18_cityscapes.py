# DeepLabV3-R18-D8 on Cityscapes, end to end.
_base_ = ['./deeplabv3_r101_cityscapes.py']
model = dict(
    pretrained='open-mmlab://resnet18_v1c',
    backbone=dict(depth=18),
    decode_head=dict(in_channels=512, channels=128),
    auxiliary_head=dict(in_channels=256, channels=64),
)
