# Local modules of DeepLabV3-R18-D8, K=4, cut at the ends of the stages. Not
# in the paper: cuts, aux nets and weights are ours; lambda_1 falls with depth,
# as in the published CIFAR settings.
norm = dict(type='SyncBN', requires_grad=True)
aux_head = dict(
    type='mmseg.FCNHead',
    channels=64,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=19,
    norm_cfg=norm,
    loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
)
decoder = dict(type='ReconstructionDecoder', channels=(32, 12), norm_cfg=norm)
local_modules = [
    dict(
        boundary='layer1.1',
        decoder=dict(**decoder, loss_weight=1.5),
        aux_head=aux_head,
    ),
    dict(
        boundary='layer2.1',
        decoder=dict(**decoder, loss_weight=1.0),
        aux_head=aux_head,
    ),
    dict(
        boundary='layer3.1',
        decoder=dict(**decoder, loss_weight=0.5),
        aux_head=aux_head,
    ),
]
