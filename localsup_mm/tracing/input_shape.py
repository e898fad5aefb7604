"""Shapes of images and of clips that enter a backbone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['find_image_channels', 'find_input_shape']

# frames of a clip that is traced; what is counted does not depend on them
_FRAMES = 16
_CONVS = (nn.Conv2d, nn.Conv3d)


class _Reached(Exception):
    """The end of a forward pass at its first conv."""


def find_input_shape(
    backbone: nn.Module, size: Sequence[int]
) -> tuple[int, ...]:
    """Find the shape of an image or a clip that enters a backbone.

    A backbone whose first conv is 3D takes clips.

    Args:
        backbone (nn.Module): See :func:`find_image_channels`.
        size (Sequence[int]): H and W, in pixels. With the number of frames
            before them it takes clips in any case.

    Returns:
        tuple[int, ...]: ``(C, H, W)``, or ``(C, T, H, W)`` of a clip.

    Example:
        >>> find_input_shape(nn.Sequential(nn.Conv3d(3, 8, 3)), (8, 8))
        (3, 16, 8, 8)
    """
    convs = _list_convs(backbone)
    if len(size) == 2 and convs and isinstance(convs[0], nn.Conv3d):
        size = (_FRAMES, *size)
    return (find_image_channels(backbone, size), *size)


def find_image_channels(backbone: nn.Module, size: Sequence[int]) -> int:
    """Find how many channels the images of a backbone have.

    Those that its first conv takes; fewer where pixels are folded into
    channels before, as YOLOX does.

    Args:
        backbone (nn.Module): Any module from an image or a clip to feature
            maps; it runs up to its first conv, without data.
        size (Sequence[int]): H and W of the image, in pixels; of a clip
            frames, H and W.

    Returns:
        int: The number; 3 where there is no conv.

    Example:
        >>> net = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 8, 1))
        >>> find_image_channels(net, (8, 8))
        4
    """
    convs = _list_convs(backbone)
    if not convs:
        return 3
    channels = convs[0].in_channels
    handles = [conv.register_forward_pre_hook(_end) for conv in convs]
    try:
        with torch.no_grad():
            backbone(torch.empty(1, channels, *size, device='meta'))
    except _Reached as reached:
        taken, given = reached.args
        channels = max(taken * channels // given, 1)
    except Exception:
        pass  # what is wrong with it comes to light when it is traced
    finally:
        for handle in handles:
            handle.remove()
    return channels


def _list_convs(backbone: nn.Module) -> list[Any]:
    return [m for m in backbone.modules() if isinstance(m, _CONVS)]


def _end(conv: nn.Module, args: tuple[Tensor, ...]) -> Any:
    raise _Reached(conv.in_channels, args[0].shape[1])
