"""The neck of DGL's aux nets."""

from typing import Optional

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..norm import build_norm

__all__ = ['MLPSRNeck']


@MODELS.register_module()
class MLPSRNeck(BaseModule):
    """Spatial reduction, 1x1 convs and an MLP.

    The features are average-pooled to a quarter of their size, pass 1x1
    convs, are pooled to 2x2 and flattened, and pass hidden fully-connected
    layers of that width. With a linear head it is DGL's ``MLP-SR-aux``; with
    ``num_convs=0`` its ``MLP-aux``.

    Source: `Decoupled Greedy Learning of CNNs
    <https://arxiv.org/abs/1901.08164>`_, ICML 2020, section 4.1.

    Args:
        in_channels (int): Channels of the features at the boundary, C.
        num_convs (int): Number of 1x1 convs, each with norm and ReLU. Defaults
            to 3.
        num_fcs (int): Number of hidden fully-connected layers of width 4C,
            each with norm and ReLU. Defaults to 3.
        norm_cfg (dict, optional): Norm layer of the convs, as the hosts
            write it. Defaults to None: BatchNorm2d.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple, its last entry ``(B, C, h, w)``.
        - output: tuple of one ``(B, 4C)``.

    Example:
        >>> import torch
        >>> neck = MLPSRNeck(16)
        >>> [tuple(f.shape) for f in neck((torch.rand(2, 16, 32, 32),))]
        [(2, 64)]
    """

    def __init__(
        self,
        in_channels: int,
        num_convs: int = 3,
        num_fcs: int = 3,
        norm_cfg: Optional[dict] = None,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        self.convs = nn.Sequential()
        for _ in range(num_convs):
            self.convs.append(
                nn.Sequential(
                    nn.Conv2d(in_channels, in_channels, 1, bias=False),
                    build_norm(norm_cfg, in_channels),
                    nn.ReLU(inplace=True),
                )
            )
        self.out_channels = 4 * in_channels
        self.fcs = nn.Sequential()
        for _ in range(num_fcs):
            self.fcs.append(
                nn.Sequential(
                    nn.Linear(self.out_channels, self.out_channels),
                    nn.BatchNorm1d(self.out_channels),
                    nn.ReLU(inplace=True),
                )
            )

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Pool features for a fully-connected layer.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, C, h, w)``.

        Returns:
            tuple[Tensor]: One ``(B, 4C)``.
        """
        x = feats[-1]
        quarter = [-(-side // 4) for side in x.shape[-2:]]
        x = self.convs(F.adaptive_avg_pool2d(x, quarter))
        return (self.fcs(F.adaptive_avg_pool2d(x, 2).flatten(1)),)
