# Faster R-CNN-R101-FPN on COCO, InfoPro K=4 (ours).
_base_ = [
    '../e2e/faster-rcnn_r101_coco.py',
    '../_base_/local_modules/coco.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer2.3', 'layer3.10', 'layer3.22'],
            decoder=_base_.decoder,
            aux_head=_base_.aux_head,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=4000)
)
