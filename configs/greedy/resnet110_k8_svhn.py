# ResNet-110 on SVHN, greedy K=8.
_base_ = ['./resnet110_k2_svhn.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=8)))
