# ResNet-101 on ImageNet, end to end.
_base_ = [
    '../_base_/models/imagenet_resnet.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/imagenet_90e.py',
    '../_base_/runtimes/classification.py',
]
