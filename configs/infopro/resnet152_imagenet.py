# ResNet-152 on ImageNet, InfoPro* K=2.
_base_ = [
    '../e2e/resnet152_imagenet.py',
    '../_base_/local_modules/imagenet_infopro.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet152_imagenet',
            loss_weights='resnet152_imagenet',
            num_local_modules=2,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
