# ResNet-110 on CIFAR-10, DGL K=4: 10.50 +- 0.11 % test error published.
_base_ = ['./resnet110_k2_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
