# ResNet-110 on STL-10, InfoPro K=2, contrastive loss.
_base_ = [
    '../e2e/resnet110_stl10.py',
    '../_base_/local_modules/cifar_infopro_contrast.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet110',
            loss_weights='resnet110_stl10',
            num_local_modules=2,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
