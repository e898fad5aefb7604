# ResNet-32 on CIFAR-10, ContSup R1E, K=16, softmax loss, no decoder.
_base_ = ['../infopro/resnet32_k16_softmax_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(decoder=None, loss_weights=None),
        context_supply=dict(mode='r1e'),
    )
)
