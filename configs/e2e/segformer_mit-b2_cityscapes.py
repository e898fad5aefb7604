# SegFormer-B2 on Cityscapes, end to end: mmsegmentation's recipe.
_base_ = [
    'mmseg::segformer/segformer_mit-b2_8xb1-160k_cityscapes-1024x1024.py'
]
custom_imports = dict(imports=['localsup_mm'])
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=8)
