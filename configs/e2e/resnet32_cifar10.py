# ResNet-32 on CIFAR-10, end to end.
_base_ = [
    '../_base_/models/cifar_resnet.py',
    '../_base_/datasets/cifar10.py',
    '../_base_/schedules/cosine_160e.py',
    '../_base_/runtimes/classification.py',
]
