# The small ViT on CIFAR-10 of 16 x 16 pixels, InfoPro K=3, where a decoder
# rebuilds the features that entered the local module.
_base_ = ['./vit_k3_infopro-softmax_cifar10-small.py']
model = dict(
    backbone=dict(local_modules=dict(decoder=dict(type='FeatureDecoder')))
)
