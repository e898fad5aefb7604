# ResNet-32 on CIFAR-10, InfoPro K=4, contrastive loss: 8.58 +- 0.17 % test
# error published.
_base_ = ['./resnet32_k2_contrast_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
