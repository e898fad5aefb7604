"""Peak memory in the log of a real Runner."""

import pytest
import torch
from mmengine.hooks import Hook
from torch.utils._python_dispatch import _get_current_dispatch_mode
from toy_runner import make_runner

from localsup_mm.engine import PeakMemoryHook, prepare_model
from localsup_mm.simulation import Workload, peak_memory


def make_workload(runner):
    """The same iteration on fake tensors."""
    prepare_model(runner.model)
    return Workload(
        runner.model,
        (2, 3, 32, 32),
        lambda shape: torch.zeros(shape[0], dtype=torch.long),
        lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    )


def test_peak_memory_is_logged(tmp_path):
    hook = dict(type='PeakMemoryHook', interval=2)
    runner = make_runner(tmp_path, custom_hooks=[hook])
    expected = peak_memory(make_workload(runner))
    # the toy model computes on the images that the data loader made before
    expected -= 2 * 3 * 32 * 32 * 4
    runner.train()
    history = runner.message_hub.get_scalar('train/peak_memory').data[0]
    assert len(history) == 2
    # but for a few bytes of what is logged
    assert history * 2**20 == pytest.approx(expected, abs=32)
    assert 'train_step' not in vars(runner.model)


class Failing(Hook):
    """It lets the training step of an iteration raise."""

    def __init__(self, where):
        self.where = where
        self.modes = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.modes.append(_get_current_dispatch_mode())
        if runner.iter == 1 and self.where == 'hook':
            raise ZeroDivisionError
        if runner.iter == 1:
            runner.model.backbone.register_forward_hook(lambda *_: 1 / 0)


@pytest.mark.parametrize('where', ['hook', 'step'])
def test_an_iteration_that_raises_is_no_longer_counted(tmp_path, where):
    failing = Failing(where)
    hook = dict(type='PeakMemoryHook', interval=2, priority='VERY_HIGH')
    runner = make_runner(tmp_path, custom_hooks=[hook, failing])
    with pytest.raises(ZeroDivisionError):
        runner.train()
    assert failing.modes == [None, None]
    assert _get_current_dispatch_mode() is None


def test_interval_below_one():
    with pytest.raises(ValueError, match=r'`interval`.*but got 0'):
        PeakMemoryHook(interval=0)
