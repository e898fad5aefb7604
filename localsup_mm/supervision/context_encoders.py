"""The encoders that make context of the image and of earlier features."""

from typing import Optional

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

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
    ) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.narrow = _conv(in_channels, channels, 3, norm_cfg)
        self.wide = _conv(channels, out_channels, 3, norm_cfg)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Encode the image.

        Args:
            x (Tensor): ``(B, C, H, W)``.
            size (tuple[int, int]): Height and width of the features that the
                code is added to.

        Returns:
            Tensor: ``(B, C', h, w)``.
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
    ) -> None:
        super().__init__()
        self.pool_first = pool_first
        self.conv = _conv(in_channels, out_channels, 1, norm_cfg)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Encode features; the arguments are those of the image encoder."""
        return _encode(self.conv, x, size, self.pool_first)


def _conv(
    in_channels: int, channels: int, kernel: int, norm_cfg: Optional[dict]
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2),
        build_norm(norm_cfg, channels),
        nn.ReLU(inplace=True),
    )


def _encode(
    conv: nn.Module, x: Tensor, size: tuple[int, int], pool_first: bool
) -> Tensor:
    return conv(_pool(x, size)) if pool_first else _pool(conv(x), size)


def _pool(x: Tensor, size: tuple[int, int]) -> Tensor:
    (height, width), (h, w) = x.shape[-2:], size
    if (height, width) == (h, w):
        return x
    if height % h == 0 and width % w == 0:
        # the same to the last bit, faster, and deterministic on a GPU
        return F.avg_pool2d(x, (height // h, width // w))
    return F.adaptive_avg_pool2d(x, size)
