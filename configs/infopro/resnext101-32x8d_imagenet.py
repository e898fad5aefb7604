# ResNeXt-101 32x8d on ImageNet, InfoPro* K=2: 20.35 % top-1 and 5.28 % top-5
# error published, 11.55 GB for each of eight GPUs.
#
# bash tools/dist_train.sh configs/infopro/resnext101-32x8d_imagenet.py 8
_base_ = [
    '../e2e/resnext101-32x8d_imagenet.py',
    '../_base_/local_modules/imagenet_infopro.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnext101-32x8d_imagenet',
            loss_weights='resnext101-32x8d_imagenet',
            num_local_modules=2,
            **_base_.local_modules,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
