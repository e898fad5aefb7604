"""Peak training memory, in the log."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Optional

import torch
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...metering import LiveBytes
from ...replaced_method import replaced_method

__all__ = ['PeakMemoryHook']


@HOOKS.register_module()
class PeakMemoryHook(Hook):
    """Log the peak memory of a training iteration, in MiB.

    On a GPU what ``torch.cuda.max_memory_allocated`` says; on a CPU the
    bytes of living tensors (:class:`LiveBytes`), so that methods can be
    compared without a GPU. Both count parameters, gradients, optimizer state
    and activations, and neither what kernels take for themselves. The log
    key is ``peak_memory``.

    Args:
        interval (int): Iterations between two measured ones. The first
            measured one is the second, when the optimizer has its state.
            Defaults to 50.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    priority = 'NORMAL'  # before the logger

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(
                f'`interval` should be at least 1, but got {interval}. '
                'Leave it out to measure every 50th iteration.'
            )
        self.interval = interval
        self._peak: Optional[int] = None
        # puts the model's own train_step back when it is closed
        self._replaced = ExitStack()

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None
    ) -> None:
        """Let the coming training step be counted, every so often."""
        self._peak = None
        self._replaced.close()  # where the last iteration raised before
        if runner.iter % self.interval != min(1, self.interval - 1):
            return
        model = runner.model
        step = partial(self._count, runner, model.train_step)
        self._replaced.enter_context(
            replaced_method(model, 'train_step', step)
        )

    def _count(
        self, runner: Runner, train_step: Callable, *args: Any, **kwargs: Any
    ) -> dict:
        self._replaced.close()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            outputs = train_step(*args, **kwargs)
            self._peak = torch.cuda.max_memory_allocated()
        else:
            optimizer = runner.optim_wrapper.optimizer
            with LiveBytes(runner.model, optimizer) as live:
                outputs = train_step(*args, **kwargs)
            self._peak = live.peak
        return outputs

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: DATA_BATCH = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Log the peak."""
        if self._peak is not None:
            runner.message_hub.update_scalar(
                'train/peak_memory', self._peak / 2**20
            )
