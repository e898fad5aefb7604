# DGL: spatial reduction, three 1x1 convs, an MLP of three hidden layers and a
# linear classifier at each boundary (its MLP-SR-aux).
local_modules = dict(
    aux_neck=dict(type='MLPSRNeck', num_convs=3, num_fcs=3),
    aux_head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        loss=dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        init_cfg=None,
    ),
)
