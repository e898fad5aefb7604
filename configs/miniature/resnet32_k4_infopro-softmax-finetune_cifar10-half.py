# Fine-tuning on the other five classes, InfoPro with the softmax loss, K=4.
_base_ = [
    './resnet32_finetune_cifar10-half.py',
    '../_base_/local_modules/cifar_infopro_softmax.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            partition='resnet32',
            num_local_modules=4,
            loss_weights='resnet32_cifar10',
            **_base_.local_modules,
        ),
    )
)
model['backbone']['local_modules']['aux_head'].update(num_classes=5)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
