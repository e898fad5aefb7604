# AugLocal: a sample of the later blocks at each boundary, global average
# pooling and a linear classifier.
local_modules = dict(
    aux_neck=dict(type='SampledBlocks', depth=3, decay=0.5, pool=True),
    aux_head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        loss=dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        init_cfg=None,
    ),
)
