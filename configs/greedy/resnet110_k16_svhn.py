# ResNet-110 on SVHN, greedy K=16: 6.37 +- 0.42 % test error published.
_base_ = ['./resnet110_k2_svhn.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
