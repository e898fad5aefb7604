# ResNet-110 on CIFAR-10, end to end: 6.50 +- 0.34 % test error published.
_base_ = ['./resnet32_cifar10.py']
model = dict(backbone=dict(depth=110))
