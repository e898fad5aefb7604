# ResNet-32 on CIFAR-10, AugLocal at the cuts of InfoPro K=16. Not a published
# row: the authors cut behind each layer.
_base_ = [
    '../e2e/resnet32_cifar10.py',
    '../_base_/local_modules/cifar_auglocal.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet32',
            num_local_modules=16,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
