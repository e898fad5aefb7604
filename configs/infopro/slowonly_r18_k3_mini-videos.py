# SlowOnly-R18 on the generated mini videos from random weights, InfoPro K=3
# (ours).
_base_ = ['../e2e/slowonly_r18_mini-videos.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer1', 'layer2'],
            loss_weights=((1.5, 1.0), (0.5, 1.0)),
            decoder=dict(
                type='ReconstructionDecoder',
                channels=(16, 12),
                target_stride=4,
            ),
            aux_neck=dict(type='ConvPool', num_convs=1),
            aux_head=dict(
                type='mmaction.TSNHead',
                num_classes=4,
                spatial_type=None,
                dropout_ratio=0.0,
                loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
            ),
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=160)
)
