"""Upsampling by kernels that depend on the content (CARAFE)."""

import torch.nn.functional as F
from torch import Tensor

from .gradients import write_gradients
from .precision import widen

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'carafe_naive_backward',
    'carafe_naive_forward',
]


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write larger features, each a weighted sum around where it comes from.

    Args:
        features (Tensor): Features ``(N, C, H, W)``.
        masks (Tensor): Weights ``(N, group_size * kernel_size ** 2,
            scale_factor * H, scale_factor * W)``.
        output (Tensor): What is written, ``(N, C, scale_factor * H,
            scale_factor * W)``.
        kernel_size (int): Height and width of the kernel, an odd number.
        group_size (int): Groups of channels with weights of their own.
        scale_factor (int): How much larger the output is.
    """
    features, masks = widen(features, masks)
    output.copy_(_carafe(features, masks, kernel_size, group_size))


def carafe_naive_backward(
    grad_output: Tensor,
    features: Tensor,
    masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Write both gradients; else as `carafe_naive_forward`."""
    write_gradients(
        lambda x, weights: _carafe(x, weights, kernel_size, group_size),
        [features, masks],
        grad_output,
        [grad_input, grad_masks],
    )


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Do as `carafe_naive_forward`; mmcv has a faster kernel for this one.

    Only `rfeatures` reaches the backward, so it takes the features.
    """
    rfeatures.copy_(features)
    carafe_naive_forward(
        features, masks, output, kernel_size, group_size, scale_factor
    )


def carafe_backward(
    grad_output: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rgrad_output: Tensor,
    rgrad_input_hs: Tensor,
    rgrad_input: Tensor,
    rgrad_masks: Tensor,
    grad_input: Tensor,
    grad_masks: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Do as `carafe_naive_backward`; other tensors are scratch."""
    carafe_naive_backward(
        grad_output,
        rfeatures,
        masks,
        grad_input,
        grad_masks,
        kernel_size,
        group_size,
        scale_factor,
    )


def _carafe(
    features: Tensor, masks: Tensor, kernel_size: int, group_size: int
) -> Tensor:
    height, width = features.shape[2:]
    scale = masks.shape[3] // width
    half = kernel_size // 2
    padded = F.pad(features, (half,) * 4).unflatten(1, (group_size, -1))
    masks = (
        masks.unflatten(3, (width, scale))
        .unflatten(2, (height, scale))
        .unflatten(1, (group_size, kernel_size, kernel_size, 1))
    )
    output = masks.new_zeros(())
    for y in range(kernel_size):
        for x in range(kernel_size):
            near = padded[..., y : y + height, x : x + width]
            output = output + near[..., None, :, None] * masks[:, :, y, x]
    return output.flatten(5, 6).flatten(3, 4).flatten(1, 2)
