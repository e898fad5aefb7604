# ResNet-110 on SVHN, ContSup R1E, K=16, softmax loss and decoder: InfoPro with
# context.
_base_ = ['../infopro/resnet110_k16_softmax_svhn.py']
model = dict(backbone=dict(context_supply=dict(mode='r1e')))
