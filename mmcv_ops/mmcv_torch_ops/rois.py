"""Features inside of regions of interest."""

import torch
import torchvision  # noqa: F401  (makes torch.ops.torchvision)
from torch import Tensor

from .precision import widen

__all__ = ['roi_align_backward', 'roi_align_forward']


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the mean of interpolated features in each bin of a region.

    Args:
        input (Tensor): Features ``(N, C, H, W)``.
        rois (Tensor): Regions ``(K, 5)``: index of the image, then left,
            top, right, bottom.
        output (Tensor): What is written, ``(K, C, h, w)``.
        argmax_y (Tensor): Unused, it is for `pool_mode` 0.
        argmax_x (Tensor): Unused, as `argmax_y`.
        aligned_height (int): Bins of a region, one above the other.
        aligned_width (int): Bins of a region, side by side.
        spatial_scale (float): What turns `rois` into units of `input`.
        sampling_ratio (int): Points in a bin along each side; 0 for as many
            as pixels.
        pool_mode (int): 1 for the mean of the points.
        aligned (bool): Shift by half a pixel.

    Raises:
        NotImplementedError: For `pool_mode` 0, the maximum of the points.
    """
    if pool_mode == 0:
        raise NotImplementedError(
            "`pool_mode` of RoIAlign should be 'avg' where mmcv is not "
            "compiled, but got 'max'. Set 'avg', or install a compiled mmcv."
        )
    input, rois = widen(input, rois)
    output.copy_(
        torch.ops.torchvision.roi_align(
            input,
            rois,
            spatial_scale,
            aligned_height,
            aligned_width,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the gradient of the features; else as `roi_align_forward`."""
    grad_output, rois = widen(grad_output, rois)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )
