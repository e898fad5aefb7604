# DeepLabV3-R101-D8 on Cityscapes, end to end: the baseline of InfoPro's Table
# 5.
_base_ = ['mmseg::deeplabv3/deeplabv3_r101-d8_4xb2-40k_cityscapes-512x1024.py']
custom_imports = dict(imports=['localsup_mm'])
train_dataloader = dict(batch_size=8, num_workers=4)
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
