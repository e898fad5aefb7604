# Local modules of a detector on COCO. Ours throughout: no settings for
# detection are published. The aux head is a light dense head of one anchor a
# place, on the features at the boundary. The decoder rebuilds the image at a
# quarter of its size, without padding.
decoder = dict(
    type='ReconstructionDecoder',
    channels=(64, 32),
    target_stride=4,
    ignore_padding=True,
)
aux_head = dict(
    type='mmdet.ATSSHead',
    num_classes=80,
    feat_channels=64,
    stacked_convs=1,
    anchor_generator=dict(
        type='AnchorGenerator',
        ratios=[1.0],
        octave_base_scale=8,
        scales_per_octave=1,
    ),
    bbox_coder=dict(
        type='DeltaXYWHBBoxCoder',
        target_means=[0.0, 0.0, 0.0, 0.0],
        target_stds=[0.1, 0.1, 0.2, 0.2],
    ),
    loss_cls=dict(
        type='FocalLoss',
        use_sigmoid=True,
        gamma=2.0,
        alpha=0.25,
        loss_weight=1.0,
    ),
    loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    loss_centerness=dict(
        type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0
    ),
    train_cfg=dict(
        assigner=dict(type='ATSSAssigner', topk=9),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
)
