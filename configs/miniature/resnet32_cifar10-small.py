# A ResNet-32 of half the width on CIFAR-10 of 16 x 16 pixels, end to end.
_base_ = [
    '../_base_/models/cifar_resnet.py',
    '../_base_/datasets/cifar10_small.py',
    '../_base_/runtimes/classification.py',
    '../_base_/schedules/miniature.py',
]
custom_imports = dict(
    imports=[
        'localsup_mm',
        'localsup_mm.models.backbones',
        'localsup_mm.datasets',
    ]
)
model = dict(backbone=dict(base_channels=8), head=dict(in_channels=32))
default_hooks = dict(
    logger=dict(interval=130),
    checkpoint=dict(interval=2, max_keep_ckpts=1, save_best=None),
)
