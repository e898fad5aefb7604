"""Parameters that are frozen, or not any more, after the model was built."""

import pytest
import torch
from asserts import NoStep, assert_equal, gradients, train_step, wrap
from cases import CASES, build_model
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy_runner import make_runner

from localsup_mm import LocalOptimWrapper


@HOOKS.register_module()
class FreezeHook(Hook):
    """It freezes a part of the model, and may let it learn again."""

    def __init__(self, name, until=99):
        self.name, self.until = name, until
        self.states = []

    def before_train(self, runner):
        runner.model.get_submodule(self.name).requires_grad_(False)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.until:
            runner.model.get_submodule(self.name).requires_grad_(True)

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        part = runner.model.get_submodule(self.name)
        # a bias before a norm does not learn
        self.states.append(
            [p.detach().clone() for p in part.parameters() if p.dim() > 1]
        )


PARTS = ['backbone.conv1', 'backbone.local_supervision', 'backbone']


@pytest.mark.parametrize('part', PARTS)
def test_freeze_hook(tmp_path, part):
    """A part that is frozen before the training learns from iteration 2 on."""
    hook = dict(type='FreezeHook', name=part, until=2)
    runner = make_runner(tmp_path, custom_hooks=[hook])
    runner.train()
    states = next(h.states for h in runner.hooks if isinstance(h, FreezeHook))
    assert all(torch.equal(a, b) for a, b in zip(states[0], states[1]))
    assert not any(torch.equal(a, b) for a, b in zip(states[1], states[3]))


@pytest.mark.parametrize('step_each_module', [False, True])
@pytest.mark.parametrize('part', PARTS)
def test_frozen_part_alone_has_no_gradient(part, step_each_module):
    whole, model = build_model(CASES['toy']), build_model(CASES['toy'])
    wrapper = LocalOptimWrapper(optimizer=NoStep(model))
    wrapper.prepare_once(model)
    frozen = model.get_submodule(part)
    frozen.requires_grad_(False)
    train_step(whole, LocalOptimWrapper(optimizer=NoStep(whole)))
    train_step(model, wrapper)
    expected = {
        name: grad
        for name, grad in gradients(whole).items()
        if model.get_parameter(name).requires_grad
    }
    assert_equal(gradients(model), expected)
    model.zero_grad()
    stepped = wrap(model, step_each_module=step_each_module)
    train_step(model, stepped)
