"""A run of a submodule in the traced forward pass."""

from dataclasses import dataclass
from typing import Any

__all__ = ['TRACED_BATCH', 'ModuleCall']

# images in the traced forward pass
TRACED_BATCH = 2


@dataclass
class ModuleCall:
    """A run of a submodule: autograd nodes of its inputs and outputs.

    ``in_shape`` is that of the first Tensor it is called with, ``others`` are
    the values beside Tensors.
    """

    inputs: list
    outputs: list
    is_tensor: bool
    shape: tuple[int, ...] = ()
    is_batch_norm: bool = False
    in_shape: tuple[int, ...] = ()
    others: tuple[Any, ...] = ()
    count: int = 1
