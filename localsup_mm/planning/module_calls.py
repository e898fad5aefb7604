"""Which submodules of a model run in a stretch, and within which others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

from torch import nn

from ..hosts import LOSS_METHODS
from ..replaced_method import replaced_method
from ..upstream import find_version, is_in_backward
from .storages import Storages, find_storages, find_tensors

__all__ = ['CallRecorder', 'ModuleCall']


@dataclass(eq=False)
class ModuleCall:
    """One call of a submodule that has submodules, or of a loss of a head.

    Args:
        name (str): Name of the submodule in the model, and of the method if
            that is not ``forward``, as ``recompute`` takes it.
        start (int): Number of boundaries that were passed when it began.
        parent (ModuleCall, optional): The call that it lies in.
        arguments (Storages): The tensors that it gets. Defaults to none.
        end (int): Number of boundaries that were passed when it ended.
            Defaults to -1: it has not ended.
        is_pure (bool): Whether it has left its arguments as they were, and
            has returned what needs a gradient. Defaults to False.
        stretch (int, optional): Position of the stretch that it lies in.
            Defaults to None: it passes a boundary.
    """

    name: str
    start: int
    parent: Optional[ModuleCall]
    arguments: Storages = field(default_factory=dict)
    end: int = -1
    is_pure: bool = False
    stretch: Optional[int] = None


class CallRecorder:
    """Write down the calls of a model's submodules in its forward pass.

    Args:
        model (nn.Module): The model.
        count_passed (Callable): Function without arguments that returns the
            number of boundaries that were passed.
        at_end (Callable): Function of each call, and of what it returns,
            when it has ended.

    Attributes:
        calls (list[ModuleCall]): The calls in the order in which they began.
    """

    def __init__(
        self,
        model: nn.Module,
        count_passed: Callable[[], int],
        at_end: Callable[[ModuleCall, Any], None],
    ) -> None:
        self.calls: list[ModuleCall] = []
        self._model = model
        self._count_passed = count_passed
        self._at_end = at_end
        self._open: list[ModuleCall] = []

    def attach(self, stack: ExitStack) -> None:
        """Watch the methods of all submodules.

        Args:
            stack (ExitStack): It removes what watches.
        """
        for name, module in self._model.named_modules():
            if not name or not any(True for _ in module.children()):
                continue
            methods = [m for m in LOSS_METHODS if hasattr(module, m)]
            if type(module).forward is not nn.Module.forward:
                methods.append('forward')
            for method in methods:
                path = name if method == 'forward' else f'{name}.{method}'
                present = getattr(module, method)
                run = partial(self._run, path, present)
                # by this name inspect.signature finds the arguments
                run.__wrapped__ = present  # type: ignore[attr-defined]
                stack.enter_context(replaced_method(module, method, run))

    def _run(
        self,
        name: str,
        method: Callable,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if is_in_backward():  # in a second run
            return method(*args, **kwargs)
        parent = self._open[-1] if self._open else None
        arguments = find_storages((args, kwargs))
        call = ModuleCall(name, self._count_passed(), parent, arguments)
        self.calls.append(call)
        self._open.append(call)
        tensors = find_tensors((args, kwargs))
        versions = [find_version(tensor) for tensor in tensors]
        try:
            result = method(*args, **kwargs)
        finally:
            self._open.pop()
        call.end = self._count_passed()
        call.is_pure = versions == [find_version(t) for t in tensors] and any(
            tensor.requires_grad for tensor in find_tensors(result)
        )
        self._at_end(call, result)
        return result
