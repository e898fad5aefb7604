"""The neck between a feature map at a boundary and a classifier."""

from collections.abc import Sequence
from typing import Optional, Union

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..layers import build_conv
from ..norm import build_norm

__all__ = ['ConvPool']


@MODELS.register_module()
class ConvPool(BaseModule):
    """Convs, global average pooling and hidden fully-connected layers.

    The authors' ``XcYf``, X convs and Y fully-connected layers, is
    ``num_convs=X`` with Y - 1 ``fc_channels`` here: the last layer is that of
    the head which follows. ``0c1f``, the head of greedy supervised learning,
    has neither.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021; authors' code ``networks/auxiliary_nets.py``, ``AuxClassifier``.

    Args:
        in_channels (int): Channels of the features at the boundary.
        num_convs (int): X, the number of convs, each with norm and ReLU.
            Defaults to 1.
        channels (Sequence[int], optional): Widths of the convs. Defaults to
            None, the authors' rule for CIFAR ResNets: twice ``in_channels``,
            at most 64, times ``widen``.
        kernel_sizes (int | Sequence[int]): Kernel sizes of the convs.
            Defaults to 3.
        strides (Sequence[int], optional): Strides of the convs. Defaults to
            None, the authors' rule: 2 for the first conv where it doubles the
            width, else 1.
        fc_channels (Sequence[int]): Widths of the hidden fully-connected
            layers, each with ReLU; the authors have 128 times ``widen``.
            Defaults to ().
        widen (int): Factor on the widths of the authors' rule. Defaults
            to 1.
        num_dims (int): Dimensions of the features: 2 for images, 3 for clips
            of a video; the trace adds it. Defaults to 2.
        norm_cfg (dict, optional): Norm layer, as the hosts write it.
            Defaults to None: plain batch norm.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple, its last entry ``(B, C, h, w)``, of clips
          ``(B, C, t, h, w)``.
        - output: tuple of one ``(B, out_channels)``.

    Raises:
        ValueError: If ``channels``, ``kernel_sizes`` or ``strides`` is not
            one value for each conv.

    Example:
        >>> import torch
        >>> neck = ConvPool(16, num_convs=1, fc_channels=(128,))
        >>> [tuple(f.shape) for f in neck((torch.rand(2, 16, 32, 32),))]
        [(2, 128)]
    """

    def __init__(
        self,
        in_channels: int,
        num_convs: int = 1,
        channels: Optional[Sequence[int]] = None,
        kernel_sizes: Union[int, Sequence[int]] = 3,
        strides: Optional[Sequence[int]] = None,
        fc_channels: Sequence[int] = (),
        widen: int = 1,
        num_dims: int = 2,
        norm_cfg: Optional[dict] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        doubles = 2 * in_channels <= _LAST_WIDTH
        if channels is None:
            width = 2 * in_channels if doubles else _LAST_WIDTH
            channels = [width * widen] * num_convs
        if strides is None:
            strides = [2 if doubles else 1] + [1] * (num_convs - 1)
            strides = strides[:num_convs]
        if isinstance(kernel_sizes, int):
            kernel_sizes = [kernel_sizes] * num_convs
        for name, values in (
            ('channels', channels),
            ('kernel_sizes', kernel_sizes),
            ('strides', strides),
        ):
            if len(values) != num_convs:
                raise ValueError(
                    f'`{name}` should have one value for each of the '
                    f'{num_convs} convs, but got {values!r}. Change it or '
                    '`num_convs`.'
                )
        self.convs = nn.Sequential()
        width = in_channels
        for out, kernel, stride in zip(channels, kernel_sizes, strides):
            self.convs.append(
                nn.Sequential(
                    build_conv(
                        num_dims, width, out, kernel, stride, bias=False
                    ),
                    build_norm(norm_cfg, out, num_dims),
                    nn.ReLU(inplace=True),
                )
            )
            width = out
        self.fcs = nn.Sequential()
        for out in fc_channels:
            self.fcs.append(
                nn.Sequential(nn.Linear(width, out), nn.ReLU(inplace=True))
            )
            width = out
        self.out_channels = width

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Pool features for a fully-connected layer.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, C, h, w)``, of
                clips ``(B, C, t, h, w)``.

        Returns:
            tuple[Tensor]: One ``(B, out_channels)``.
        """
        x = self.convs(feats[-1])
        return (self.fcs(x.flatten(2).mean(2)),)


# of the last stage of a CIFAR ResNet
_LAST_WIDTH = 64
