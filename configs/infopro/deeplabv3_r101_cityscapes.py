# DeepLabV3-R101-D8 on Cityscapes, InfoPro K=2: the headline of Table 5.
_base_ = ['../e2e/deeplabv3_r101_cityscapes.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=[
            dict(
                boundary='layer3.12',
                decoder=dict(
                    type='ReconstructionDecoder',
                    channels=(128, 32, 12),
                    norm_cfg=_base_.norm_cfg,
                    loss_weight=1.5,
                ),
                aux_head=dict(
                    type='mmseg.FCNHead',
                    channels=512,
                    num_convs=1,
                    concat_input=False,
                    dropout_ratio=0.1,
                    num_classes=19,
                    norm_cfg=_base_.norm_cfg,
                    align_corners=True,
                    # the authors do not initialize aux nets
                    init_cfg=None,
                    loss_decode=dict(
                        type='mmseg.CrossEntropyLoss',
                        avg_non_ignore=True,
                        loss_weight=1.0,
                    ),
                ),
            )
        ],
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
