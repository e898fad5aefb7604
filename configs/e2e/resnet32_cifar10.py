# ResNet-32 on CIFAR-10, end to end: 7.37 +- 0.10 % test error published.
#
# python tools/train.py configs/e2e/resnet32_cifar10.py
_base_ = [
    '../_base_/models/cifar_resnet.py',
    '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cosine_160e.py',
    '../_base_/runtimes/classification.py',
]
