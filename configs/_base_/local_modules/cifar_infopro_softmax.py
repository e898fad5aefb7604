# InfoPro with the softmax loss: a decoder, and one conv and two
# fully-connected layers (the authors' 1c2f, widen 1, feature width 128).
local_modules = dict(
    decoder=dict(type='ReconstructionDecoder', channels=(12,)),
    aux_neck=dict(type='ConvPool', num_convs=1, fc_channels=(128,)),
    aux_head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes=10,
        loss=dict(type='mmpretrain.CrossEntropyLoss', loss_weight=1.0),
        init_cfg=None,
    ),
)
