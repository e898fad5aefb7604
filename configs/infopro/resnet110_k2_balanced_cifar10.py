# ResNet-110 on CIFAR-10, InfoPro* K=2 (cuts of equal memory), contrastive
# loss: 6.41 +- 0.13 % test error published. 5.38 GB on a Titan Xp.
_base_ = ['./resnet110_k2_contrast_cifar10.py']
model = dict(
    backbone=dict(
        local_modules=dict(
            partition='resnet110_balanced_cifar10',
            loss_weights='resnet110_balanced_cifar10',
        )
    )
)
