"""K processes, each with one local module, train as one process does."""

import copy

import pytest
import torch
from asserts import assert_equal
from cases import (
    CASES,
    CONTEXT_CASES,
    ToyBackbone,
    ToyModel,
    build_model,
    make_batch,
)
from gloo_processes import run_processes
from mmengine.registry import MODELS
from torch import nn

from localsup_mm import LocalAmpOptimWrapper, LocalOptimWrapper
from localsup_mm.engine import ModuleParallel

EVERY = {**CASES, **CONTEXT_CASES}
STEPS = 4
# without anything that is drawn at random in the forward pass
EVERY['swin_features'] = EVERY['swin_features']._replace(
    backbone=dict(CASES['swin'].backbone, drop_path_rate=0.0)
)


@MODELS.register_module()
class BrightnessBackbone(ToyBackbone):
    """The image leads around its boundaries, without a gradient."""

    def forward(self, x):
        x1, x2, x3 = super().forward(x)
        return x1, x2, x3 * self.pool(x).mean(1, keepdim=True)

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)


EVERY['brightness'] = CASES['toy']._replace(
    backbone=dict(type='BrightnessBackbone')
)


for name in ('toy', 'toy_r1e'):
    EVERY[f'{name}_in_two'] = EVERY[name]._replace(boundaries=['conv3'])


def make_batches(number=STEPS):
    generator = torch.Generator().manual_seed(0)
    for i in range(number):
        size = 64 if i != 2 else 96  # another shape in between
        inputs = torch.rand(2, 3, size, size, generator=generator) * 255
        labels = torch.randint(3, (2,), generator=generator)
        yield dict(inputs=inputs, data_samples=labels)


def wrap(model, cls=LocalOptimWrapper, **kwargs):
    parameters = [p for p in model.parameters() if p.requires_grad]
    return cls(
        optimizer=torch.optim.SGD(parameters, lr=1e-4, momentum=0.9), **kwargs
    )


def train(model, rank, **kwargs):
    wrapper = wrap(model, **kwargs)
    wrapper.initialize_count_status(model, 0, STEPS)
    bare = getattr(model, 'module', model)
    is_toy = isinstance(bare, ToyModel)
    for batch in make_batches():
        if not is_toy:
            batch = dict(zip(('inputs', 'data_samples'), make_batch(bare)))
        model.train_step(batch if rank == 0 else None, wrapper)
    return wrapper


def check_case(rank, name, queue_size=2, **kwargs):
    alone = build_model(EVERY[name])
    model = ModuleParallel(copy.deepcopy(alone), queue_size)
    expected = train(alone, 0, **kwargs)
    wrapper = train(model, rank, **kwargs)
    model.eval()
    assert_equal(model.module.state_dict(), alone.state_dict())
    with model.optimizer_gathered(wrapper):
        if rank == 0:
            found = wrapper.state_dict()['state']
            for i, state in expected.state_dict()['state'].items():
                assert_equal(found[i], state)
    model.close()


def check_cases(rank, names):
    for name in names:
        check_case(rank, name)


def check_settings(rank, momentum):
    check_case(rank, 'toy', accumulative_counts=3)
    check_case(rank, 'toy', step_each_module=True)
    check_case(rank, 'toy', queue_size=1)
    check_case(rank, 'toy_r1e', cls=LocalAmpOptimWrapper)
    check_case(rank, momentum, accumulative_counts=2)


def test_two_processes():
    run_processes(2, check_cases, ['toy_in_two', 'toy_r1e_in_two'])


def test_three_processes():
    names = ['toy', 'toy_r1e', 'resnet_mmdet_frozen', 'vit_dense']
    run_processes(3, check_cases, [*names, 'brightness'])


def test_settings():
    run_processes(3, check_settings, 'resnet_v1c_dilated_momentum')


@pytest.mark.slow
def test_more_networks():
    names = [
        'resnet_v1c_dilated_r2e',
        'resnet_v1d_with_cp',
        'resnext_momentum',
        'swin_features',
        'densenet',
        'retinanet',
    ]
    run_processes(3, check_cases, names)
