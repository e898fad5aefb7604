"""A conv over resized features, without resizing them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['conv_of_resized', 'resize']


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize linearly, corners on corners, as InfoPro's decoders do.

    Args:
        x (Tensor): ``(B, C, h, w)``, of clips ``(B, C, t, h, w)``.
        size (Sequence[int]): ``(H, W)``, of clips ``(T, H, W)``.

    Returns:
        Tensor: ``(B, C, *size)``.
    """
    if tuple(x.shape[2:]) == tuple(size):
        return x
    mode = 'bilinear' if x.dim() == 4 else 'trilinear'
    return F.interpolate(x, size=tuple(size), mode=mode, align_corners=True)


def conv_of_resized(x: Tensor, conv: nn.Module, size: Sequence[int]) -> Tensor:
    """Compute ``conv(resize(x, size))`` in the cheaper of two ways.

    Resizing treats every channel alike, so it commutes with the part of a
    conv that mixes channels. What one tap of the kernel does to a channel is
    then a product with two small matrices, one for the rows and one for the
    columns, and all taps together are one product. Enlarging four times, for
    12 output channels, this takes a seventh of the multiplications and keeps
    no enlarged features for the backward. Clips are resized first.

    Args:
        x (Tensor): ``(B, C, h, w)``, of clips ``(B, C, t, h, w)``.
        conv (nn.Module): A conv of stride 1 that keeps the size, with zero
            padding and a bias.
        size (Sequence[int]): ``(H, W)``, of clips ``(T, H, W)``.

    Returns:
        Tensor: ``(B, conv.out_channels, *size)``.
    """
    if x.dim() == 5:
        return conv(resize(x, size))
    batch, channels, h, w = x.shape
    out, (height, width) = conv.out_channels, size
    taps = conv.kernel_size[0]
    direct = taps * taps * channels * height * width
    split = taps * taps * h * w * (channels + height) + (
        height * taps * w * width
    )
    if direct <= split:
        return conv(resize(x, size))
    weight = conv.weight.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    x = F.conv2d(x, weight).view(batch, out, taps, taps, h, w)
    x = x.transpose(3, 4).reshape(batch, out, taps * h, taps * w)
    rows = _resize_and_shift(h, height, taps, x.device, x.dtype)
    columns = _resize_and_shift(w, width, taps, x.device, x.dtype)
    return rows @ x @ columns.T + conv.bias[:, None, None]


def _resize_and_shift(
    start: int, end: int, taps: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Make the matrix of a resize and a shift for each tap.

    Its shape is ``(end, taps * start)``.
    """
    exact = torch.promote_types(dtype, torch.float32)
    unit = torch.eye(start, device=device, dtype=exact)[None, None]
    matrix = resize(unit, (end, start))[0, 0]
    padded = F.pad(matrix, (0, 0, taps // 2, taps // 2))
    shifted = [padded[i : i + end] for i in range(taps)]
    return torch.cat(shifted, dim=1).to(dtype)
