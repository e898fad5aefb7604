"""A step of each local module is, bit by bit, its part of one step for all."""

import math
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from asserts import assert_equal, train_step, wrap
from cases import CASES, CHECKPOINTED_CASES, CONTEXT_CASES, build_model
from mmpretrain.engine.optimizers import Lamb
from torch import nn

from localsup_mm import LocalAmpOptimWrapper, LocalOptimWrapper
from localsup_mm.engine import SingleModuleStep
from localsup_mm.engine.checks.module_step_check import check_settings

EVERY = {**CASES, **CONTEXT_CASES, **CHECKPOINTED_CASES}
SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-3)
ADAMW = partial(torch.optim.AdamW, lr=1e-3)


def train(
    model, make_optimizer, cls=LocalOptimWrapper, only=None, num_iters=3, **kw
):
    wrapper = cls(optimizer=make_optimizer(model.parameters()), **kw)
    if only is not None:
        wrapper.make_step = partial(SingleModuleStep, only=only)
    for _ in range(num_iters):
        train_step(model, wrapper)
    return model


@pytest.mark.parametrize(
    ('name', 'make_optimizer'),
    [
        ('toy', SGD),
        ('toy', ADAMW),
        ('toy_r1e', SGD),
        ('resnet_v1d_with_cp', SGD),
        ('swin', ADAMW),
        ('checkpointed_1', SGD),
    ],
)
def test_parameters_are_those_of_one_step(name, make_optimizer):
    one, each = build_model(EVERY[name]), build_model(EVERY[name])
    train(one, make_optimizer)
    train(each, make_optimizer, step_each_module=True)
    assert_equal(each.state_dict(), one.state_dict())


def test_bfloat16_on_a_cpu():
    one, each = build_model(CASES['swin']), build_model(CASES['swin'])
    train(one, SGD, LocalAmpOptimWrapper)
    train(each, SGD, LocalAmpOptimWrapper, step_each_module=True)
    assert_equal(each.state_dict(), one.state_dict())


@pytest.mark.parametrize('only', [0, 1, 2])
def test_asynchronous(only):
    models = []
    for step_each_module in (False, True):
        model = build_model(CASES['toy'])
        partition = model.backbone.local_supervision.partition
        for k, names in enumerate(partition.parameters):
            for name in names:
                parameter = model.backbone.get_parameter(name)
                parameter.requires_grad_(k == only)
        before = model.backbone.conv1.weight.clone()
        train(model, SGD, only=only, step_each_module=step_each_module)
        assert before.equal(model.backbone.conv1.weight) == (only > 0)
        models.append(model)
    assert_equal(*(model.state_dict() for model in models))


def test_gradients_of_one_module_live_at_a_time():
    steps = []

    class Recorder(torch.optim.SGD):
        def step(self, closure=None):
            steps.append(
                {n for n, p in model.named_parameters() if p.grad is not None}
            )
            super().step(closure)

    model = build_model(CASES['toy'])
    train(model, partial(Recorder, lr=0.1), num_iters=1, step_each_module=True)
    backbone = [
        {n.removeprefix('backbone.') for n in names if 'local_' not in n}
        for names in steps
    ]
    assert backbone == [
        {'conv1.weight', 'conv1.bias'},
        {f'conv{i}.{n}' for i in (2, 3) for n in ('weight', 'bias')},
        # the tap belongs to the last local module
        {f'{m}.{n}' for m in ('conv4', 'norm2') for n in ('weight', 'bias')}
        | {'neck.weight', 'neck.bias'},
    ]
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(clip_grad=dict(max_norm=1.0)), r"`clip_grad`.*'max_norm': 1.0"),
        (dict(accumulative_counts=2), r'`accumulative_counts`.*but got 2'),
    ],
)
@pytest.mark.parametrize('cls', [LocalOptimWrapper, LocalAmpOptimWrapper])
def test_what_needs_all_gradients_is_refused(cls, kwargs, message):
    with pytest.raises(ValueError, match=message):
        wrap(nn.Linear(1, 1), cls, step_each_module=True, **kwargs)


def test_loss_scale_is_refused():
    wrapper = wrap(nn.Linear(1, 1), LocalAmpOptimWrapper)
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=512.0)
    with pytest.raises(ValueError, match=r'`loss_scale`.*of 512\..*bfloat'):
        check_settings(wrapper)


def test_optimizer_that_keeps_count_for_all_is_refused():
    model = build_model(CASES['toy'])
    with pytest.raises(ValueError, match=r'`optimizer`.*but got Lamb'):
        train(model, Lamb, step_each_module=True)


@pytest.mark.parametrize(
    ('own', 'shared', 'name'),
    [('conv3', 'conv2', None), ('conv4', 'conv3', 'the last local module')],
)
def test_shared_parameters(own, shared, name):
    """Of one local module they may be; of two, each would step them."""
    model = build_model(CASES['toy'])
    backbone = model.backbone
    getattr(backbone, own).weight = getattr(backbone, shared).weight
    refusal = pytest.raises(RuntimeError, match=f'{name}.*share parameters')
    with refusal if name else nullcontext():
        train(model, SGD, step_each_module=True)


def test_checkpoint_around_a_boundary():
    """Its second run would have the stepped parameters."""
    with pytest.raises(RuntimeError, match=r"around 'blocks\.[02]'"):
        train(build_model(EVERY['checkpointed_2']), SGD, step_each_module=True)


def test_gradient_from_elsewhere():
    """Of a step before that was left half-way: it would be stepped too."""
    model = build_model(CASES['toy'])
    weight = model.backbone.conv4.weight
    weight.grad = torch.ones_like(weight)
    with pytest.raises(RuntimeError, match=r'local_0.*zero gradients to None'):
        train(model, SGD, step_each_module=True)


def test_nan_changes_no_parameter_from_its_module_on():
    model = build_model(CASES['toy'])
    local_modules = model.backbone.local_supervision.local_modules
    with torch.no_grad():
        local_modules[1].aux_head.fc.bias[0] = math.nan
    before = {n: p.clone() for n, p in model.named_parameters()}
    with pytest.raises(
        FloatingPointError,
        match=r'local_1.*Only local modules before it.* rate, or without AMP',
    ):
        train(model, SGD, num_iters=1, step_each_module=True)
    changed = {
        n.removeprefix('backbone.')
        for n, p in model.named_parameters()
        if not torch.equal(p.nan_to_num(), before[n].nan_to_num())
    }
    assert {n for n in changed if 'local_' not in n} == {
        'conv1.weight',
        'conv1.bias',
    }
