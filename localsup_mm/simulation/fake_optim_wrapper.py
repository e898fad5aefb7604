"""The optimizer wrapper of a training iteration that computes nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Optional

from torch import Tensor
from torch.optim import Optimizer

from ..engine import LocalOptimWrapper
from ..engine.local_losses import LocalLosses
from ..supervision import LocalModule

__all__ = ['FakeOptimWrapper']


class FakeOptimWrapper(LocalOptimWrapper):
    """Train as :class:`LocalOptimWrapper`, but read no losses for the log.

    Fake tensors have no values to be read.

    Args:
        optimizer (Optimizer): It steps the parameters of the whole model.
        step_each_module (bool): See :class:`LocalOptimWrapper`. Defaults to
            False.
        after_module (Callable, optional): It is called, without arguments,
            when a local module but the last has learnt. Defaults to None.
        loss_mode (Callable): It makes the context in which losses are summed
            and go back. Defaults to one that changes nothing.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        step_each_module: bool = False,
        after_module: Optional[Callable[[], None]] = None,
        loss_mode: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        super().__init__(optimizer, step_each_module=step_each_module)
        self._after_module = after_module
        self._loss_mode = loss_mode

    def local_backward(
        self, local_module: LocalModule, losses: dict, **kwargs: Any
    ) -> Tensor:
        """Turn losses into gradients in their mode, and say so."""
        with self._loss_mode():
            loss = super().local_backward(local_module, losses, **kwargs)
        if self._after_module is not None:
            self._after_module()
        return loss

    def _report_local_losses(self) -> None:
        """Forget the losses, whose values nobody can read."""
        self._local_losses = LocalLosses()
