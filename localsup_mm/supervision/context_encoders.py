"""The encoders that make context of the image and of earlier features."""

from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..models.decoders.target import shrink
from ..models.layers import build_conv
from ..models.norm import build_norm

__all__ = ['FeatureEncoder', 'ImageEncoder']


class ImageEncoder(BaseModule):
    """Two 3x3 convs and a pooling: the mirror of InfoPro's decoder."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        pool_first: bool,
        norm_cfg: Optional[dict],
        num_dims: int = 2,
    ) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.narrow = _conv(in_channels, channels, 3, norm_cfg, num_dims)
        self.wide = _conv(channels, out_channels, 3, norm_cfg, num_dims)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Encode the image.

        Args:
            x (Tensor): ``(B, C, H, W)``, of clips ``(B, C, T, H, W)``.
            size (Sequence[int]): Height and width of the features that the
                code is added to, of clips frames, height and width.

        Returns:
            Tensor: ``(B, C', *size)``.
        """
        return _encode(self.wide, self.narrow(x), size, self.pool_first)


class FeatureEncoder(BaseModule):
    """A 1x1 conv and a pooling."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        pool_first: bool,
        norm_cfg: Optional[dict],
        num_dims: int = 2,
    ) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.conv = _conv(in_channels, out_channels, 1, norm_cfg, num_dims)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """Encode features; the arguments are those of the image encoder."""
        return _encode(self.conv, x, size, self.pool_first)


def _conv(
    in_channels: int,
    channels: int,
    kernel: int,
    norm_cfg: Optional[dict],
    num_dims: int,
) -> nn.Sequential:
    return nn.Sequential(
        build_conv(num_dims, in_channels, channels, kernel),
        build_norm(norm_cfg, channels, num_dims),
        nn.ReLU(inplace=True),
    )


def _encode(
    conv: nn.Module, x: Tensor, size: Sequence[int], pool_first: bool
) -> Tensor:
    return conv(_pool(x, size)) if pool_first else _pool(conv(x), size)


def _pool(x: Tensor, size: Sequence[int]) -> Tensor:
    sides = [*zip(x.shape[2:], size)]
    if all(a == b for a, b in sides):
        return x
    if all(a % b == 0 for a, b in sides):
        # the same to the last bit, faster, and deterministic on a GPU
        pool = F.avg_pool2d if len(sides) == 2 else F.avg_pool3d
        return pool(x, [a // b for a, b in sides])
    return shrink(x, torch.Size(size))
