# DeepLabV3-R50-D8 on Cityscapes, end to end.
_base_ = ['./deeplabv3_r101_cityscapes.py']
model = dict(pretrained='open-mmlab://resnet50_v1c', backbone=dict(depth=50))
