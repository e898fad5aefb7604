# ResNet-110 on CIFAR-10, end to end.
_base_ = ['./resnet32_cifar10.py']
model = dict(backbone=dict(depth=110))
