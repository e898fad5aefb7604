"""A real Runner with the toy model."""

import torch
from cases import CASES, ToyModel
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset


class Images(Dataset):
    metainfo = dict(classes=('a', 'b', 'c'))

    def __len__(self):
        return 8

    def __getitem__(self, i):
        generator = torch.Generator().manual_seed(i)
        image = torch.rand(3, 32, 32, generator=generator) * 255
        return dict(inputs=image, data_samples=torch.tensor(i % 3))


def make_runner(
    work_dir,
    max_iters=4,
    checkpoint=None,
    loader=None,
    loop=None,
    runner=Runner,
    optim_wrapper=None,
    model_type='ToyModelOfKnownWidth',
    **kwargs,
):
    case = CASES['toy']
    local_modules = [
        dict(boundary=name, decoder={}, aux_head=dict(type='ToyHead'))
        for name in case.boundaries
    ]
    return runner(
        model=dict(
            type=model_type,
            backbone=dict(
                type='LocalBackbone',
                backbone=case.backbone,
                local_modules=local_modules,
            ),
        ),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dict(
                batch_size=2,
                dataset=Images(),
                sampler=dict(type='InfiniteSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
            ),
            **(loader or {}),
        ),
        train_cfg=loop or dict(type='IterBasedTrainLoop', max_iters=max_iters),
        optim_wrapper=dict(
            dict(
                type='LocalOptimWrapper',
                optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
            ),
            **(optim_wrapper or {}),
        ),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(
                dict(type='SafeCheckpointHook', by_epoch=False, interval=1),
                **(checkpoint or {}),
            ),
            setup_check=dict(type='SetupCheckHook'),
        ),
        randomness=dict(seed=0),
        default_scope='mmengine',
        experiment_name=f'test_{work_dir.name}',
        **kwargs,
    )


@MODELS.register_module()
class ToyModelOfKnownWidth(ToyModel):
    """Its neck knows its width before the optimizer is built."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.neck = torch.nn.Linear(24, 3)
