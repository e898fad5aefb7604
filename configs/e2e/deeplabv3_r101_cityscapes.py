# DeepLabV3-R101-D8 on Cityscapes, end to end: the baseline of InfoPro's
# Table 5 (79.12 mIoU). SGD 0.9, weight decay 5e-4, lr 0.01 poly 0.9 down to
# 1e-4, 40k iterations, crop 512 x 1024, batch 8: all but the batch as mmseg.
#
# One GPU:    python tools/train.py configs/e2e/deeplabv3_r101_cityscapes.py
# Four GPUs:  bash tools/dist_train.sh \
#             configs/e2e/deeplabv3_r101_cityscapes.py 4 \
#             --cfg-options train_dataloader.batch_size=2
_base_ = ['mmseg::deeplabv3/deeplabv3_r101-d8_4xb2-40k_cityscapes-512x1024.py']
custom_imports = dict(imports=['localsup_mm'])
train_dataloader = dict(batch_size=8, num_workers=4)
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
