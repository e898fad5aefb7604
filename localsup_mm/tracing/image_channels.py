"""How many channels the images of a backbone have."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ['find_image_channels']


class _Reached(Exception):
    """The end of a forward pass at its first conv."""


def find_image_channels(backbone: nn.Module, size: Sequence[int]) -> int:
    """Find how many channels the images of a backbone have.

    Those that its first conv takes; fewer where pixels are folded into
    channels before, as YOLOX does.

    Args:
        backbone (nn.Module): Any module from an image to feature maps; it
            runs up to its first conv, without data.
        size (Sequence[int]): H and W of the image, in pixels.

    Returns:
        int: The number; 3 where there is no conv.

    Example:
        >>> net = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(16, 8, 1))
        >>> find_image_channels(net, (8, 8))
        4
    """
    convs = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
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


def _end(conv: nn.Conv2d, args: tuple[Tensor, ...]) -> Any:
    raise _Reached(conv.in_channels, args[0].shape[1])
