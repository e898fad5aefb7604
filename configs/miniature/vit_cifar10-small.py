# A small ViT on CIFAR-10 of 16 x 16 pixels, 64 tokens, end to end.
_base_ = [
    '../_base_/datasets/cifar10_small.py',
    '../_base_/runtimes/classification.py',
    '../_base_/schedules/miniature.py',
]
custom_imports = dict(imports=['localsup_mm', 'localsup_mm.datasets'])
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='VisionTransformer',
        arch=dict(
            embed_dims=48,
            num_layers=6,
            num_heads=3,
            feedforward_channels=192,
        ),
        img_size=16,
        patch_size=2,
    ),
    head=dict(
        type='VisionTransformerClsHead',
        num_classes=10,
        in_channels=48,
        loss=dict(type='CrossEntropyLoss', loss_weight=1.0),
    ),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = dict(warmup_lr=2e-5)
default_hooks = dict(
    logger=dict(interval=130),
    checkpoint=dict(interval=2, max_keep_ckpts=1, save_best=None),
)
