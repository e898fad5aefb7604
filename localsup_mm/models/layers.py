"""Layers over feature maps of images and of clips."""

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ['build_conv', 'on_frames']


def build_conv(
    num_dims: int,
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    bias: bool = True,
) -> nn.Module:
    """Build a conv that keeps the size, but for its stride.

    Args:
        num_dims (int): Dimensions of a feature map: 2 for images, 3 for
            clips, whose frames are as many behind it as before.
        in_channels (int): Channels of its input.
        out_channels (int): Channels of its output.
        kernel (int): Width of its kernel in each dimension, an odd number.
        stride (int): Its stride in height and width. Defaults to 1.
        bias (bool): Whether it has a bias. Defaults to True.

    Returns:
        nn.Module: The conv.
    """
    conv = nn.Conv2d if num_dims == 2 else nn.Conv3d
    strides = (1,) * (num_dims - 2) + (stride, stride)
    return conv(
        in_channels,
        out_channels,
        kernel,
        strides,  # type: ignore[arg-type]
        kernel // 2,
        bias=bias,
    )


def on_frames(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Pool feature maps in height and width, those of clips frame by frame.

    Args:
        function (Callable): Function of ``(B, C, h, w)`` that works on each
            channel alone.
        x (Tensor): ``(B, C, h, w)`` or ``(B, C, t, h, w)``.

    Returns:
        Tensor: ``(B, C, h', w')`` or ``(B, C, t, h', w')``.
    """
    pooled = function(x.flatten(1, -3))
    return pooled.unflatten(1, x.shape[1:-2])
