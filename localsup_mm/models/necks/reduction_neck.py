"""Fewer channels for an aux head."""

from typing import Optional

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..layers import build_conv
from ..norm import build_norm

__all__ = ['ReductionNeck']


@MODELS.register_module()
class ReductionNeck(BaseModule):
    """A 1x1 conv that narrows wide features before an aux head.

    A 3x3 conv over the 1024 channels of a ResNet's third stage costs more
    than the block at whose end it is; behind this neck it costs little at
    any width. Features that are no wider than that are handed on as they
    are.

    Args:
        in_channels (int): Channels of the features at the boundary.
        out_channels (int): Most channels that the aux head gets. Defaults to
            64.
        num_dims (int): Dimensions of the features: 2 for images, 3 for clips
            of a video; the trace adds it. Defaults to 2.
        norm_cfg (dict, optional): Norm layer, as the hosts write it.
            Defaults to None: plain batch norm.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple, its last entry ``(B, C, h, w)``, of clips
          ``(B, C, t, h, w)``.
        - output: tuple of one of ``min(C, out_channels)`` channels.

    Example:
        >>> import torch
        >>> neck = ReductionNeck(256, out_channels=64)
        >>> [tuple(f.shape) for f in neck((torch.rand(2, 256, 8, 8),))]
        [(2, 64, 8, 8)]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 64,
        num_dims: int = 2,
        norm_cfg: Optional[dict] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        self.out_channels = min(in_channels, out_channels)
        self.conv = nn.Sequential()
        if in_channels > out_channels:
            self.conv.extend(
                [
                    build_conv(
                        num_dims, in_channels, out_channels, 1, bias=False
                    ),
                    build_norm(norm_cfg, out_channels, num_dims),
                    nn.ReLU(inplace=True),
                ]
            )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Narrow features.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, C, h, w)``, of
                clips ``(B, C, t, h, w)``.

        Returns:
            tuple[Tensor]: One of ``out_channels`` channels.
        """
        return (self.conv(feats[-1]),)
