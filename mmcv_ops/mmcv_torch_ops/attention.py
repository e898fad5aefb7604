"""Attention: multi-scale deformable, and the masks of PSANet."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .gradients import write_gradients
from .precision import widen

__all__ = [
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'psamask_backward',
    'psamask_forward',
]


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Sum features at sampled points, by mmcv's own plain PyTorch.

    Args:
        value (Tensor): Features ``(N, keys, heads, C)`` of all levels.
        value_spatial_shapes (Tensor): Height and width of each level.
        value_level_start_index (Tensor): First key of each level, unused
            here.
        sampling_locations (Tensor): Points ``(N, queries, heads, levels,
            points, 2)``, from 0 to 1.
        attention_weights (Tensor): Weights of these points.
        im2col_step (int): Images at once, unused here.

    Returns:
        Tensor: The sums ``(N, queries, heads * C)``.
    """
    # mmcv.ops imports this package
    from mmcv.ops.multi_scale_deform_attn import (
        multi_scale_deformable_attn_pytorch,
    )

    widened = widen(value, sampling_locations, attention_weights)
    return multi_scale_deformable_attn_pytorch(
        widened[0], value_spatial_shapes, *widened[1:]
    ).to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Write all gradients; else as `ms_deform_attn_forward`."""
    write_gradients(
        lambda value, locations, weights: ms_deform_attn_forward(
            value,
            value_spatial_shapes,
            value_level_start_index,
            locations,
            weights,
            im2col_step,
        ),
        [value, sampling_locations, attention_weights],
        grad_output,
        [grad_value, grad_sampling_loc, grad_attn_weight],
    )


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Move a mask around each pixel to where its elements lie in the image.

    Args:
        input (Tensor): Masks ``(N, h_mask * w_mask, h_feature, w_feature)``.
        output (Tensor): What is written, ``(N, h_feature * w_feature,
            h_feature, w_feature)``.
        psa_type (int): 0 for attention that a pixel pays, whose channels are
            all pixels; 1 for attention that it gets, the other way round.
        num_ (int): Number of images, read from `input` here.
        h_feature (int): Height of the image.
        w_feature (int): Width of the image.
        h_mask (int): Height of the masks.
        w_mask (int): Width of the masks.
        half_h_mask (int): Rows of a mask above its pixel.
        half_w_mask (int): Columns of a mask left of its pixel.
    """
    size, mask = (h_feature, w_feature), (h_mask, w_mask)
    half = (half_h_mask, half_w_mask)
    rows = _moved_rows(output, psa_type, size, mask, half)
    for y, (moved, index, lies_in_mask) in enumerate(rows):
        elements = input[:, :, y].gather(1, index.expand(len(input), -1, -1))
        moved.copy_(elements * lies_in_mask)


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the gradient of the masks; else as `psamask_forward`."""
    size, mask = (h_feature, w_feature), (h_mask, w_mask)
    half = (half_h_mask, half_w_mask)
    rows = _moved_rows(grad_output, psa_type, size, mask, half)
    for y, (moved, index, lies_in_mask) in enumerate(rows):
        grad_input[:, :, y].zero_().scatter_add_(
            1, index.expand(len(moved), -1, -1), moved * lies_in_mask
        )


def _moved_rows(
    moved: Tensor,
    psa_type: int,
    size: tuple[int, int],
    mask: tuple[int, int],
    half: tuple[int, int],
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Go through the rows of the image, which keeps the indices small.

    Args:
        moved (Tensor): Masks where they lie in the image.
        psa_type (int): As of `psamask_forward`.
        size (tuple[int, int]): Height and width of the image.
        mask (tuple[int, int]): Height and width of the masks.
        half (tuple[int, int]): Rows above a pixel, columns left of it.

    Yields:
        tuple[Tensor, Tensor, Tensor]: For the pixels ``(H * W, W)`` from all
        pixels to one row: a view of `moved` with the images before, the
        element of the mask, and whether there is one.
    """
    height, width = size
    moved = moved.view(len(moved), height * width, height, width)
    if psa_type == 1:
        moved = moved.flatten(2).transpose(1, 2)
        moved = moved.unflatten(2, size)
    ys = torch.arange(height, device=moved.device)
    xs = torch.arange(width, device=moved.device)
    column = xs[:, None] - xs + half[1]
    for y in range(height):
        row = (ys - y + half[0])[:, None, None]
        lies_in_mask = (row >= 0) & (row < mask[0])
        lies_in_mask = lies_in_mask & (column >= 0) & (column < mask[1])
        index = torch.where(lies_in_mask, row * mask[1] + column, 0)
        yield moved[:, :, y], index.flatten(0, 1), lies_in_mask.flatten(0, 1)
