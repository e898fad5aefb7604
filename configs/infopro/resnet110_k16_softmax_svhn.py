# ResNet-110 on SVHN, InfoPro K=16, softmax loss.
_base_ = ['./resnet110_k2_softmax_svhn.py']
model = dict(backbone=dict(local_modules=dict(num_local_modules=16)))
