# The small ViT on CIFAR-10 of 16 x 16 pixels, InfoPro K=3: a class token of
# each local module tells the label, and a decoder rebuilds the image.
_base_ = [
    './vit_cifar10-small.py',
    '../_base_/local_modules/imagenet_transformer.py',
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='LocalBackbone',
        backbone=_base_.model.backbone,
        local_modules=dict(
            boundaries=['layers.1', 'layers.3'],
            loss_weights=_base_.loss_weights,
            decoder=dict(_base_.decoder, target_stride=1),
            aux_head=dict(
                _base_.token_head,
                num_classes=10,
                loss=_base_.model.head.loss,
            ),
            class_token=True,
        ),
    )
)
optim_wrapper = dict(type='LocalOptimWrapper')
model_wrapper_cfg = dict(type='LocalDistributedDataParallel')
default_hooks = dict(
    reconstruction=dict(type='ReconstructionHook', interval=390, num_images=6)
)
