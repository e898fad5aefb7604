"""A training step that torch.compile has compiled."""

import shutil

import pytest
import torch
from asserts import assert_close
from cases import CASES, build_model, make_batch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from torch._dynamo.utils import counters
from toy_runner import make_runner

SLOW = pytest.mark.skipif(shutil.which('gcc') is None, reason='no compiler')


@HOOKS.register_module()
class CountGraphs(Hook):
    """It counts the graphs that are compiled, iteration by iteration."""

    def __init__(self):
        self.numbers = []

    def after_train_iter(self, runner, batch_idx, data_batch, outputs):
        self.numbers.append(counters['stats']['unique_graphs'])


@pytest.mark.parametrize(
    'backend',
    ['aot_eager', pytest.param('inductor', marks=[pytest.mark.slow, SLOW])],
)
def test_compiled_step_is_the_same(tmp_path, backend):
    """It is compiled in the first two iterations, and then no more."""
    torch._dynamo.reset()
    counters.clear()
    states = []
    for cfg in ({}, dict(compile=dict(backend=backend))):
        runner = make_runner(
            tmp_path / f'{len(cfg)}',
            max_iters=6,
            cfg=cfg,
            custom_hooks=[dict(type='CountGraphs')],
        )
        runner.train()
        states.append(runner.model.state_dict())
    numbers = next(
        h.numbers for h in runner.hooks if isinstance(h, CountGraphs)
    )
    assert numbers[0] > 0, numbers
    assert numbers[1] == numbers[-1], numbers
    assert_close(*states, rtol=1e-3, atol=1e-4)


def test_evaluation_is_one_graph():
    """The hooks of a supervised backbone break none of it."""
    backbone = build_model(CASES['toy']).backbone.eval()
    images, _ = make_batch()
    compiled = torch.compile(backbone, backend='eager', fullgraph=True)
    with torch.no_grad():
        for found, expected in zip(compiled(images), backbone(images)):
            assert torch.equal(found, expected)
