# ResNet-110 on CIFAR-10, Asy-InfoPro K=2, contrastive loss. Each local module
# is trained for 160 epochs, one after the other.
_base_ = ['./resnet110_k2_contrast_cifar10.py']
train_cfg = dict(
    _delete_=True,
    type='AsynchronousTrainLoop',
    max_epochs=160,
    val_interval=1,
)
