# Mask R-CNN-R18-FPN overfitted on 160 images of COCO, InfoPro K=3, by the
# schedule of e2e/mask-rcnn_r18_coco-mini.py.
_base_ = [
    '../e2e/mask-rcnn_r18_coco-mini.py',
    '../_base_/local_modules/coco.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layer2.1', 'layer3.1'],
            decoder=_base_.decoder,
            aux_head=dict(
                _base_.aux_head, num_classes=len(_base_.metainfo['classes'])
            ),
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=200)
)
