# Greedy supervised learning: global average pooling and a linear classifier
# at each boundary (the authors' 0c1f).
local_modules = dict(
    aux_neck=dict(type='ConvPool', num_convs=0),
    aux_head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        loss=dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        init_cfg=None,
    ),
)
