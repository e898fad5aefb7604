# ResNet-110 on CIFAR-10, ContSup E, K=2 (cuts of equal memory), contrastive
# loss, no decoder.
_base_ = ['../infopro/resnet110_k2_balanced_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(decoder=None, loss_weights=None),
        context_supply=dict(mode='e'),
    )
)
