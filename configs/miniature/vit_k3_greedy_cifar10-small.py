# The small ViT on CIFAR-10 of 16 x 16 pixels, greedy K=3: InfoPro without
# its decoder.
_base_ = ['./vit_k3_infopro-softmax_cifar10-small.py']
model = dict(backbone=dict(local_modules=dict(decoder=None)))
