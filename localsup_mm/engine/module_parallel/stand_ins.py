"""Results of submodules in a process in which they need not run."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...replaced_method import replaced_method
from ...tracing import faked
from ...upstream import hooks_removed, tree_map_only

__all__ = ['StandIns']


class _Shape(NamedTuple):
    """Shape and type of a tensor."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class StandIns:
    """Zeros that a backbone has in the place of what others compute.

    They have the shapes of the real ones, and no memory. What is no tensor,
    e.g. a height and a width, is the real one. Both are found by a run on
    fake tensors for each shape of a batch of images.

    Args:
        backbone (nn.Module): The backbone.
        names (Collection[str]): Names of the submodules that need not run.
    """

    def __init__(self, backbone: nn.Module, names: Collection[str]) -> None:
        self._modules = {name: backbone.get_submodule(name) for name in names}
        self._known: dict[tuple, dict[str, Any]] = {}

    @contextmanager
    def placed(self, backbone: nn.Module, inputs: Tensor) -> Iterator[None]:
        """Let the submodules return stand-ins.

        Args:
            backbone (nn.Module): The backbone.
            inputs (Tensor): The images that it is about to get.

        Yields:
            None: While they do so.
        """
        found = self._find(backbone, inputs)
        with ExitStack() as stack:
            for name, module in self._modules.items():
                forward = partial(_stand_in, found[name], inputs.device)
                stack.enter_context(
                    replaced_method(module, 'forward', forward)
                )
            yield

    def _find(self, backbone: nn.Module, inputs: Tensor) -> dict[str, Any]:
        is_cast = torch.is_autocast_enabled(inputs.device.type)
        key = (*inputs.shape, inputs.dtype, is_cast)
        if key not in self._known:
            self._known[key] = self._record(backbone, inputs)
        return self._known[key]

    def _record(self, backbone: nn.Module, inputs: Tensor) -> dict[str, Any]:
        if not self._modules:
            return {}
        found: dict[str, Any] = {}
        with torch.no_grad(), hooks_removed(backbone):
            handles = [
                module.register_forward_hook(partial(_keep, found, name))
                for name, module in self._modules.items()
            ]
            with faked(backbone) as run:
                run(torch.empty(inputs.shape, dtype=inputs.dtype))
            for handle in handles:
                handle.remove()
        return found


def _keep(
    found: dict[str, Any],
    name: str,
    module: nn.Module,
    args: Sequence,
    output: Any,
) -> None:
    found[name] = tree_map_only(
        Tensor, lambda t: _Shape(tuple(t.shape), t.dtype), output
    )


def _stand_in(
    output: Any, device: torch.device, *args: Any, **kwargs: Any
) -> Any:
    make: Callable = partial(_make_zeros, device)
    return tree_map_only(_Shape, make, output, is_leaf=_is_shape)


def _is_shape(value: Any) -> bool:
    return isinstance(value, _Shape)


def _make_zeros(device: torch.device, shape: _Shape) -> Tensor:
    zero = torch.zeros((), dtype=shape.dtype, device=device)
    return zero.expand(shape.shape)
