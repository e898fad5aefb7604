"""Buffers of a module that runs twice, as if it ran once."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ['KeptBuffers']


class KeptBuffers:
    """The buffers of a module as they were before its first run.

    Running statistics of a norm are such, or the vectors of a spectral norm.
    A second run begins with them, and what it does to them is dropped. All of
    submodules in training mode are kept, since no version tells that a batch
    norm has changed its own.

    Args:
        module (nn.Module): The module, before the first run.
    """

    def __init__(self, module: nn.Module) -> None:
        self._before = _copy(
            {
                (owner, name): buffer
                for owner in module.modules()
                if owner.training
                for name, buffer in owner.named_buffers(recurse=False)
            }
        )

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the module copies of them for a while.

        Yields:
            None: While it has them.
        """
        present = {key: getattr(*key) for key in self._before}
        try:
            _set(_copy(self._before))
            yield
        finally:
            _set(present)


@torch.no_grad()
def _copy(
    buffers: dict[tuple[nn.Module, str], Tensor],
) -> dict[tuple[nn.Module, str], Tensor]:
    return {key: buffer.clone() for key, buffer in buffers.items()}


def _set(buffers: dict[tuple[nn.Module, str], Tensor]) -> None:
    for (owner, name), buffer in buffers.items():
        setattr(owner, name, buffer)
