"""A convolution at some pixels only."""

import torch.nn.functional as F
from torch import Tensor

__all__ = ['masked_col2im_forward', 'masked_im2col_forward']


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write what lies under the kernel at the pixels of the mask.

    Args:
        im (Tensor): Features ``(1, C, H, W)``.
        mask_h_idx (Tensor): Rows of the pixels ``(M,)``.
        mask_w_idx (Tensor): Columns of the pixels ``(M,)``.
        col (Tensor): What is written, ``(C * kernel_h * kernel_w, M)``.
        kernel_h (int): Height of the kernel.
        kernel_w (int): Width of the kernel.
        pad_h (int): Padding of the height, on both sides.
        pad_w (int): Padding of the width, on both sides.
    """
    padded = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    columns = col.view(-1, kernel_h, kernel_w, col.shape[1])
    for y in range(kernel_h):
        for x in range(kernel_w):
            columns[:, y, x] = padded[:, mask_h_idx + y, mask_w_idx + x]


def masked_col2im_forward(
    col: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    im: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write features at the pixels of the mask.

    Args:
        col (Tensor): Features ``(channels, M)``.
        mask_h_idx (Tensor): Rows of the pixels ``(M,)``.
        mask_w_idx (Tensor): Columns of the pixels ``(M,)``.
        im (Tensor): What is written, ``(1, channels, height, width)``.
        height (int): Height of `im`.
        width (int): Width of `im`.
        channels (int): Channels of `im`.
    """
    im[0, :, mask_h_idx, mask_w_idx] = col
