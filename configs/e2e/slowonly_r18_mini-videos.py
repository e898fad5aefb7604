# SlowOnly-R18 on the generated mini videos from random weights, end to end, in
# a short schedule for a CPU.
_base_ = [
    'mmaction::_base_/models/slowonly_r50.py',
    'mmaction::_base_/default_runtime.py',
    '../_base_/datasets/mini_videos.py',
]
custom_imports = dict(imports=['localsup_mm'])
max_epochs = 20
model = dict(
    backbone=dict(
        depth=18, pretrained=None, base_channels=16, inflate=(1, 1, 1, 1)
    ),
    cls_head=dict(in_channels=128, num_classes=4, dropout_ratio=0.0),
)
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-4)
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min=0,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=max_epochs
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', interval=max_epochs),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
