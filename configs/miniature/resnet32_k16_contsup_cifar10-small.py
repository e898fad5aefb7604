# The narrow ResNet-32 on CIFAR-10 of 16 x 16 pixels, ContSup R1E with greedy
# local modules, K=16.
_base_ = ['./resnet32_k16_greedy_cifar10-small.py']
model = dict(backbone=dict(context_supply=dict(mode='r1e')))
