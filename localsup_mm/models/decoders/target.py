"""The target of a decoder: images or clips, smaller, without padding."""

from typing import Any, Union

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['check_stride', 'outside_padding', 'shrink']


def check_stride(name: str, stride: Union[int, str]) -> None:
    """Check the stride of a target.

    Args:
        name (str): Name of the argument, for the message.
        stride (int | str): Its value.

    Raises:
        ValueError: If it is neither a whole number from 1 nor ``'feature'``.
    """
    if stride != 'feature' and not (isinstance(stride, int) and stride >= 1):
        raise ValueError(
            f"`{name}` should be at least 1, or 'feature', but got "
            f'{stride!r}. Leave it out to rebuild the image.'
        )


def shrink(x: Tensor, size: torch.Size) -> Tensor:
    """Shrink images or clips to means over areas.

    Args:
        x (Tensor): ``(B, C, H, W)``, of clips ``(B, C, T, H, W)``.
        size (torch.Size): ``(H', W')``, of clips ``(T', H', W')``.

    Returns:
        Tensor: ``(B, C, *size)``.
    """
    if x.shape[2:] == size:
        return x
    if len(size) == 2:
        return F.adaptive_avg_pool2d(x, size)
    return F.adaptive_avg_pool3d(x, size)


def outside_padding(inputs: Tensor, data_samples: Any) -> Tensor:
    """Mark pixels by 1, padding by 0.

    Args:
        inputs (Tensor): ``(B, C, H, W)``, of clips ``(B, C, T, H, W)``.
        data_samples (Any): A sequence whose ``img_shape`` says how much is no
            padding; a video may be several inputs, one after the other.

    Returns:
        Tensor: The marks, in one channel.
    """
    mask = inputs.new_zeros(len(inputs), 1, *inputs.shape[2:])
    for views, sample in zip(mask.chunk(len(data_samples)), data_samples):
        h, w = sample.img_shape[:2]
        views[..., :h, :w] = 1
    return mask
