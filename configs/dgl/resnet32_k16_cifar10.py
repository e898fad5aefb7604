# ResNet-32 on CIFAR-10, DGL K=16: 16.21 +- 0.36 % test error published.
_base_ = ['./resnet32_k2_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
