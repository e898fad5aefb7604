# InfoPro on ImageNet: the decoder and the aux head of the authors.
local_modules = dict(
    decoder=dict(type='ReconstructionDecoder', channels=(128, 32, 12)),
    aux_neck=dict(
        type='ConvPool',
        num_convs=4,
        channels=(128, 256, 512, 2048),
        kernel_sizes=(1, 3, 3, 1),
        strides=(1, 2, 2, 1),
    ),
    aux_head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=1000,
        loss=dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        init_cfg=None,
    ),
)
