# Swin-T on ImageNet, InfoPro K=4 (ours).
_base_ = [
    '../e2e/swin-tiny_imagenet.py',
    '../_base_/local_modules/imagenet_transformer.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=[
                'stages.0.blocks.0',
                'stages.0.blocks.1',
                'stages.2.blocks.0',
            ],
            loss_weights=_base_.loss_weights,
            decoder=_base_.decoder,
            aux_neck=_base_.aux_neck,
            aux_head=dict(_base_.pooled_head, loss=_base_.model.head.loss),
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
