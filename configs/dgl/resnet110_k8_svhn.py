# ResNet-110 on SVHN, DGL K=8: 5.35 +- 0.13 % test error published.
_base_ = ['./resnet110_k2_svhn.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=8)))
