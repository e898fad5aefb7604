# UPerNet-ViT-B on ADE20K, end to end: mmsegmentation's recipe.
_base_ = ['mmseg::vit/vit_vit-b16_mln_upernet_8xb2-160k_ade20k-512x512.py']
custom_imports = dict(imports=['localsup_mm'])
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
