"""Seeing which outputs of a backbone are saved behind it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from .storages import find_storages, find_tensors

__all__ = ['watching_saved']


@contextmanager
def watching_saved(backbone: nn.Module) -> Iterator[list[bool]]:
    """See which outputs neck and heads save for their backward.

    Args:
        backbone (nn.Module): A backbone that runs once, in a model.

    Yields:
        list[bool]: Whether they save each output; it is empty until the end.
    """
    outputs: list[Tensor] = []
    saved: set[int] = set()
    is_saved: list[bool] = []

    def save(tensor: Tensor) -> Tensor:
        saved.update(find_storages(tensor))
        return tensor

    def at_end(backbone: nn.Module, args: tuple, feats: Any) -> None:
        outputs.extend(find_tensors(feats))
        stack.enter_context(saved_tensors_hooks(save, lambda t: t))

    with ExitStack() as stack:
        stack.callback(backbone.register_forward_hook(at_end).remove)
        yield is_saved
    is_saved += [not saved.isdisjoint(find_storages(t)) for t in outputs]
