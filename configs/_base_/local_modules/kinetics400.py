# Local modules of recognizers on Kinetics-400. Ours throughout: no settings
# for videos are published. The decoder rebuilds the frames at a quarter of
# their size and, of clips, at the rate of the features.
local_modules = dict(
    decoder=dict(
        type='ReconstructionDecoder',
        channels=(32, 12),
        target_stride=4,
        frame_stride='feature',
    ),
    aux_neck=dict(
        type='ConvPool',
        num_convs=3,
        channels=(64, 128, 512),
        kernel_sizes=(1, 3, 1),
        strides=(1, 2, 1),
    ),
    aux_head=dict(
        type='mmaction.TSNHead',
        num_classes=400,
        spatial_type=None,
        dropout_ratio=0.0,
        loss_cls=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
