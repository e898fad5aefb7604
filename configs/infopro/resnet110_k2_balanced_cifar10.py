# ResNet-110 on CIFAR-10, InfoPro* K=2 (cuts of equal memory), contrastive
# loss.
_base_ = ['./resnet110_k2_contrast_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            partition='resnet110_balanced_cifar10',
            loss_weights='resnet110_balanced_cifar10',
        )
    )
)
