# ResNet-32 on CIFAR-10, InfoPro K=16, softmax loss.
_base_ = ['./resnet32_k2_softmax_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
