"""The precision that ops compute in."""

import torch
from torch import Tensor

__all__ = ['widen']


def widen(*tensors: Tensor) -> list[Tensor]:
    """Give tensors of half the precision in float32, others as they are.

    Few kernels of torchvision are written for bfloat16, some not for float16.

    Args:
        *tensors (Tensor): The tensors, of any dtype.

    Returns:
        list[Tensor]: The tensors or their copies, in the same order.
    """
    return [
        t.float() if t.dtype in (torch.float16, torch.bfloat16) else t
        for t in tensors
    ]
