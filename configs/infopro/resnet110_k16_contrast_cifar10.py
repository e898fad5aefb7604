# ResNet-110 on CIFAR-10, InfoPro K=16, contrastive loss: 9.90 +- 0.19 % test
# error published.
_base_ = ['./resnet110_k2_contrast_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
