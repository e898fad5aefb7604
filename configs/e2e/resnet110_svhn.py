# ResNet-110 on SVHN, end to end.
_base_ = [
    '../_base_/models/cifar_resnet.py',
    '../_base_/datasets/svhn.py',
    '../_base_/schedules/cosine_160e.py',
    '../_base_/runtimes/classification.py',
]
model = dict(backbone=dict(depth=110))
custom_imports = dict(
    imports=[
        'localsup_mm',
        'localsup_mm.models.backbones',
        'localsup_mm.datasets',
    ]
)
