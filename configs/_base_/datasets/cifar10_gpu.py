# CIFAR-10 kept and augmented on a GPU. It is no base of a config: `localsup
# accuracy` merges it onto each by --schedule.
custom_imports = dict(
    imports=[
        'localsup_mm',
        'localsup_mm.models.backbones',
        'localsup_mm.datasets',
    ]
)
images = dict(
    _delete_=True,
    type='InMemoryCIFAR10',
    data_root='data/cifar10',
    device='cuda',
)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(**images, split='train', padding=4, flip_prob=0.5),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(**images, split='test'),
)
test_dataloader = val_dataloader
