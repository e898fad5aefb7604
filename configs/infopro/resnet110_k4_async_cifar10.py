# ResNet-110 on CIFAR-10, Asy-InfoPro K=4, contrastive loss. Each local module
# is trained for 160 epochs, one after the other.
_base_ = ['./resnet110_k2_async_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
