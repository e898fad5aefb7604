# Mask R-CNN-Swin-T-FPN on COCO, end to end: mmdetection's 1x recipe, eight
# GPUs with two images each, AdamW, lr 0.0001
# (42.7 box and 39.3 mask mAP in mmdetection's model zoo).
#
# One GPU:    python tools/train.py configs/e2e/mask-rcnn_swin-t_coco.py \
#             --auto-scale-lr
# Eight GPUs: bash tools/dist_train.sh configs/e2e/mask-rcnn_swin-t_coco.py 8
_base_ = ['mmdet::swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco.py']
custom_imports = dict(imports=['localsup_mm'])
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
