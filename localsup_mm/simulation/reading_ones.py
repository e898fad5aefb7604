"""Optimizers that read values, on tensors that have none."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Optional

from ..upstream import READ_VALUE, FakeTensor, TorchDispatchMode

__all__ = ['reading_ones']


def reading_ones(step: Callable) -> Callable:
    """Let the step of an optimizer run on fake tensors.

    LARS, for instance, reads the norm of each parameter. What it does to its
    parameters takes the same memory whatever it finds, so it finds 1.

    Args:
        step (Callable): The step.

    Returns:
        Callable: The same step, which finds 1 in each fake tensor it reads.
    """

    @wraps(step)
    def step_on_ones(*args: Any, **kwargs: Any) -> Any:
        with _Ones():
            return step(*args, **kwargs)

    return step_on_ones


class _Ones(TorchDispatchMode):
    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        is_read = func.overloadpacket is READ_VALUE
        if is_read and isinstance(args[0], FakeTensor):
            return 1
        return func(*args, **(kwargs or {}))
