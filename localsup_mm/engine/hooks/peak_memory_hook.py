"""Peak training memory, in the log."""

from typing import Optional

import torch
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ...metering import LiveBytes

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
        self._live: Optional[LiveBytes] = None

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: DATA_BATCH = None
    ) -> None:
        """Start to count."""
        self._is_measuring = runner.iter % self.interval == min(
            1, self.interval - 1
        )
        if not self._is_measuring:
            return
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        else:
            self._live = LiveBytes(
                runner.model, runner.optim_wrapper.optimizer
            )
            self._live.__enter__()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: DATA_BATCH = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Log the peak."""
        if not self._is_measuring:
            return
        if self._live is None:
            peak = torch.cuda.max_memory_allocated()
        else:
            self._live.__exit__(None, None, None)
            peak = self._live.peak
            self._live = None
        runner.message_hub.update_scalar('train/peak_memory', peak / 2**20)
