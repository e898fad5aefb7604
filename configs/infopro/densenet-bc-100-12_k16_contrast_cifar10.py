# DenseNet-BC-100-12 on CIFAR-10, InfoPro K=16, contrastive loss.
_base_ = ['./densenet-bc-100-12_k2_contrast_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
