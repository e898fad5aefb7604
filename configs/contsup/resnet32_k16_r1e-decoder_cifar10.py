# ResNet-32 on CIFAR-10, ContSup R1E, K=16, softmax loss and decoder: InfoPro
# with context.
_base_ = ['../infopro/resnet32_k16_softmax_cifar10.py']
model = dict(backbone=dict(context_supply=dict(mode='r1e')))
