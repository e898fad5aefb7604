# The narrow DeepLabV3-R18 on CamVid of 240 x 180 pixels, greedy.
_base_ = ['./deeplabv3_r18_camvid-small.py']
aux_head = dict(
    type='mmseg.FCNHead',
    channels=16,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=19,
    norm_cfg=_base_.norm_cfg,
    loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
)
boundaries = ['layer1.1', 'layer2.1', 'layer3.1']
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(boundaries=boundaries, aux_head=aux_head),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
