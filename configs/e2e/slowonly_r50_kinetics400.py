# SlowOnly-R50 4x16 on Kinetics-400, end to end: mmaction2's recipe.
_base_ = [
    'mmaction::recognition/slowonly/'
    'slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb.py',
]
custom_imports = dict(imports=['localsup_mm'])
data_root = 'data/kinetics400'
training = dict(
    data_root=data_root,
    ann_file='kinetics400_train_list_videos.txt',
    data_prefix=dict(video='videos_train'),
)
validation = dict(
    data_root=data_root,
    ann_file='kinetics400_val_list_videos.txt',
    data_prefix=dict(video='videos_val'),
)
train_dataloader = dict(dataset=training)
val_dataloader = dict(dataset=validation)
test_dataloader = dict(dataset=validation)
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook'),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
