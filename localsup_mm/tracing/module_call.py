"""A run of a submodule in the traced forward pass."""

from dataclasses import dataclass

__all__ = ['TRACED_BATCH', 'ModuleCall']

# images in the traced forward pass
TRACED_BATCH = 2


@dataclass
class ModuleCall:
    """A run of a submodule: autograd nodes of its inputs and outputs."""

    inputs: list
    outputs: list
    is_tensor: bool
    shape: tuple[int, ...] = ()
    is_batch_norm: bool = False
    count: int = 1
