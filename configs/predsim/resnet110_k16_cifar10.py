# ResNet-110 on CIFAR-10, PredSim K=16. Not a published row: the authors train
# every conv layer of VGG-like networks for itself.
_base_ = [
    '../e2e/resnet110_cifar10.py',
    '../_base_/local_modules/cifar_predsim.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet110',
            num_local_modules=16,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
