# ResNet-152 on ImageNet, end to end.
_base_ = ['./resnet101_imagenet.py']
model = dict(backbone=dict(depth=152))
