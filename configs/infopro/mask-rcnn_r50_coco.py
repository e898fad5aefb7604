# Mask R-CNN-R50-FPN on COCO, InfoPro K=3 (ours).
_base_ = [
    '../e2e/mask-rcnn_r50_coco.py',
    '../_base_/local_modules/coco.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer2.3', 'layer3.5'],
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
