# DeepLabV3-R101-D8 on Cityscapes, InfoPro K=7 with cheap aux nets, cut where
# the planner needs the least memory. Cuts, aux nets and weights are ours.
_base_ = ['../e2e/deeplabv3_r101_cityscapes.py']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=[
                'layer2',
                'layer3.5',
                'layer3.11',
                'layer3.17',
                'layer3',
                'layer4.1',
            ],
            # lambda_1 falls with depth, as in the published CIFAR settings
            loss_weights=((1.5, 1.0), (0.5, 1.0)),
            decoder=dict(
                type='ReconstructionDecoder',
                channels=(32, 12),
                target_stride=4,
                norm_cfg=_base_.norm_cfg,
            ),
            aux_neck=dict(
                type='ReductionNeck',
                out_channels=64,
                norm_cfg=_base_.norm_cfg,
            ),
            aux_head=dict(
                type='mmseg.FCNHead',
                channels=64,
                num_convs=1,
                concat_input=False,
                num_classes=19,
                norm_cfg=_base_.norm_cfg,
                loss_decode=dict(
                    type='mmseg.CrossEntropyLoss', avg_non_ignore=True
                ),
            ),
            label_stride=4,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
