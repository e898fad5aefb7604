# ResNet-101 on ImageNet, InfoPro* K=2: 21.85 % top-1 and 5.89 % top-5 error
# published, 12.06 GB for each of eight GPUs.
#
# bash tools/dist_train.sh configs/infopro/resnet101_imagenet.py 8
_base_ = [
    '../e2e/resnet101_imagenet.py',
    '../_base_/local_modules/imagenet_infopro.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet101_imagenet',
            loss_weights='resnet101_imagenet',
            num_local_modules=2,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
