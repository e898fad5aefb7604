"""The model, batch and optimizer of a training iteration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch import nn
from torch.optim import Optimizer

__all__ = ['Workload']


@dataclass(frozen=True)
class Workload:
    """A model, its batch and its optimizer.

    Args:
        model (nn.Module): A host's model, locally supervised or not, on the
            CPU.
        input_shape (Sequence[int]): Shape of the images, ``(B, C, H, W)``, or
            of the videos; see :meth:`Host.make_input_shape`.
        make_data_samples (Callable): Function of ``input_shape`` that returns
            the labels as the model takes them.
        make_optimizer (Callable): Function of the parameters that returns
            their optimizer.
        autocast_dtype (torch.dtype, optional): Mixed precision. Defaults to
            None: full precision.
        is_data_dependent (bool): Whether the loss depends on values, as that
            of a detector does. Neck, heads and aux nets then run on real
            tensors, without their arithmetic. Defaults to False.
        step_each_module (bool): See :class:`LocalOptimWrapper`. Defaults to
            False.
        accumulates (bool): Whether gradients of an earlier iteration live
            on. Defaults to False.
    """

    model: nn.Module
    input_shape: Sequence[int]
    make_data_samples: Callable[[Sequence[int]], Any]
    make_optimizer: Callable[..., Optimizer]
    autocast_dtype: Optional[torch.dtype] = None
    is_data_dependent: bool = False
    step_each_module: bool = False
    accumulates: bool = False

    def autocast(self) -> torch.autocast:
        """Make the context of its precision, on a CPU as fake tensors are."""
        is_mixed = self.autocast_dtype is not None
        return torch.autocast(
            'cpu', dtype=self.autocast_dtype, enabled=is_mixed
        )
