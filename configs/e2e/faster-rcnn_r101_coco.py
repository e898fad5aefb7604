# Faster R-CNN-R101-FPN on COCO, end to end: mmdetection's 1x recipe.
_base_ = ['mmdet::faster_rcnn/faster-rcnn_r101_fpn_1x_coco.py']
custom_imports = dict(imports=['localsup_mm'])
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
