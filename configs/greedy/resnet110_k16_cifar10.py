# ResNet-110 on CIFAR-10, greedy K=16.
_base_ = ['./resnet110_k2_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
