"""The target of a decoder: images or clips, smaller, without padding."""

from typing import Any, Union

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['find_target_size', 'outside_padding', 'shrink']


def find_target_size(
    start: torch.Size,
    size: torch.Size,
    target_stride: Union[int, str],
    frame_stride: Union[int, str],
) -> torch.Size:
    """Find the size of a target.

    Args:
        start (torch.Size): ``(h, w)`` of the features, of clips ``(t, h, w)``.
        size (torch.Size): ``(H, W)`` of the image, of clips ``(T, H, W)``.
        target_stride (int | str): That of height and width, or ``'feature'``.
        frame_stride (int | str): That of the frames of a clip.

    Returns:
        torch.Size: The sides of the image, each divided by its stride.
    """
    strides = [frame_stride, target_stride, target_stride][-len(start) :]
    return torch.Size(
        here if stride == 'feature' else -(-side // int(stride))
        for here, side, stride in zip(start, size, strides)
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
