# DeiT-S on ImageNet, InfoPro K=4 (ours).
_base_ = [
    '../e2e/deit-small_imagenet.py',
    '../_base_/local_modules/imagenet_transformer.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=[
                'layers.2',
                'layers.5',
                'layers.8',
            ],
            loss_weights=_base_.loss_weights,
            decoder=_base_.decoder,
            aux_head=dict(_base_.token_head, loss=_base_.model.head.loss),
            class_token=True,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
