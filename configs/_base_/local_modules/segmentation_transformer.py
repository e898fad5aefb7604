# Aux nets of transformers for segmentation. Ours: all work at a quarter of the
# image's size. The decoder rebuilds the image; with type='FeatureDecoder' it
# rebuilds the features that enter the local module. The classes of the aux
# head are those of the network's own head, which the config hands on.
decoder = dict(
    type='ReconstructionDecoder',
    channels=(64, 32),
    target_stride=4,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
)
aux_head = dict(
    type='mmseg.FCNHead',
    channels=64,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    norm_cfg=dict(type='SyncBN', requires_grad=True),
    loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
)
# lambda_1 falls with depth, as in the published settings
loss_weights = [[1.5, 1.0], [0.5, 1.0]]
