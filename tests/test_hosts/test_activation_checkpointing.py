"""torch's own checkpointing within a backbone, non-reentrant."""

from functools import partial

import pytest
import torch
from asserts import NoStep, train_step
from cases import (
    CASES,
    CHECKPOINTED_CASES,
    CheckpointedBackbone,
    build_model,
)

from localsup_mm import LocalOptimWrapper, trace_backbone
from localsup_mm.engine import SingleModuleStep
from localsup_mm.hosts import allow_activation_checkpointing

CASE = CHECKPOINTED_CASES['checkpointed_1']


def find_gradients(num_together, num_local_modules=None):
    backbone = dict(CASE.backbone, num_together=num_together)
    model = build_model(CASE._replace(backbone=backbone), num_local_modules)
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    return {n: p.grad for n, p in model.named_parameters()}


@pytest.mark.parametrize('num_together', [1, 2, 4])
def test_trace_sees_through_it(num_together):
    found = trace_backbone(CheckpointedBackbone(num_together))
    assert (
        found.boundaries == trace_backbone(CheckpointedBackbone(0)).boundaries
    )
    assert 'blocks.1' in found.boundaries


@pytest.mark.parametrize('num_together', [1, 2, 4])
def test_gradients_are_those_without(num_together):
    """Each local loss counts once, though its hook runs again."""
    expected = find_gradients(0)
    found = find_gradients(num_together)
    assert found.keys() == expected.keys()
    for name, grad in expected.items():
        assert found[name].equal(grad), name


def test_gradients_depend_on_the_local_losses():
    joint, local = find_gradients(1, num_local_modules=1), find_gradients(1)
    assert not local['backbone.stem.weight'].equal(
        joint['backbone.stem.weight']
    )


@pytest.mark.parametrize('only', [None, 1])
def test_a_hosts_block_behind_a_boundary_checkpoints(only):
    """Though its input, detached, requires no gradient."""
    model = build_model(CASES['resnet_v1d_with_cp'])
    local_modules = model.backbone.local_supervision.local_modules
    stage, i = local_modules[0].boundary.name.split('.')
    block = getattr(model.backbone, stage)[int(i) + 1]
    runs = []
    block.conv1.register_forward_hook(
        lambda module, args, output: runs.append(torch.is_grad_enabled())
    )
    wrapper = LocalOptimWrapper(optimizer=NoStep(model))
    if only is not None:
        wrapper.make_step = partial(SingleModuleStep, only=only)
    train_step(model, wrapper)
    # without a graph, and again in the backward
    assert runs == [False, True]
    assert block.conv1.weight.grad.any()


def test_features_allowed_checkpointing_lead_nowhere():
    h = torch.rand(2, 3)
    found = allow_activation_checkpointing(h)
    assert found.requires_grad
    found.clone().relu_().sum().backward()
    assert h.grad is None and not h.requires_grad
    assert not found.is_leaf
    # a layer may work in place
    allow_activation_checkpointing(h).relu_().sum().backward()


def test_without_checkpoints_no_gradient_goes_to_the_features():
    """It would cost as much as that of a layer's weights."""
    model = build_model(CASES['resnet_v1c_dilated'])
    needed = []
    model.backbone.layer2[0].conv1.register_forward_pre_hook(
        lambda module, args: needed.append(args[0].requires_grad)
    )
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    assert needed == [False]
