# ResNet-110 on STL-10, end to end.
_base_ = [
    '../_base_/models/cifar_resnet.py',
    '../_base_/datasets/stl10.py',
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
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=128)
