# DenseNet-BC-100-12 on CIFAR-10, DGL K=4: 5.71 +- 0.04 % test error published.
_base_ = ['./densenet-bc-100-12_k2_cifar10.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=4)))
