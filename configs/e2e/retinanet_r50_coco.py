# RetinaNet-R50-FPN on COCO, end to end: mmdetection's 1x recipe, eight
# GPUs with two images each, lr 0.01
# (36.5 mAP in mmdetection's model zoo).
#
# One GPU:    python tools/train.py configs/e2e/retinanet_r50_coco.py \
#             --auto-scale-lr
# Eight GPUs: bash tools/dist_train.sh configs/e2e/retinanet_r50_coco.py 8
_base_ = ['mmdet::retinanet/retinanet_r50_fpn_1x_coco.py']
custom_imports = dict(imports=['localsup_mm'])
default_hooks = dict(
    checkpoint=dict(type='SafeCheckpointHook', max_keep_ckpts=3),
    setup_check=dict(type='SetupCheckHook'),
    peak_memory=dict(type='PeakMemoryHook'),
)
