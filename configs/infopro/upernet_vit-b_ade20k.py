# UPerNet-ViT-B on ADE20K, InfoPro K=2 (ours).
_base_ = [
    '../e2e/upernet_vit-b_ade20k.py',
    '../_base_/local_modules/segmentation_transformer.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layers.10'],
            loss_weights=_base_.loss_weights,
            decoder=_base_.decoder,
            aux_head=dict(
                _base_.aux_head,
                num_classes=_base_.model.decode_head.num_classes,
            ),
            label_stride=4,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
