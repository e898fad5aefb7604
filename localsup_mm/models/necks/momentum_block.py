"""MAN's aux net: the next block, followed by a moving average."""

from typing import TYPE_CHECKING, Optional

import torch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ...errors import BoundaryError

if TYPE_CHECKING:
    from ...supervision.block_copier import BlockCopier

__all__ = ['MomentumBlock']


@MODELS.register_module()
class MomentumBlock(BaseModule):
    """A trained copy of the next local module's first block, and its average.

    The sum of both is what decoder and aux head read. The average follows the
    parameters of the block itself (EMA), after the local backward and before
    the optimizer's step, so that it says something of the next local module;
    it is frozen, but hands gradients on to the features. The trained copy
    makes up for what is different. Both start from weights of their own, and
    their norms keep statistics of their own.

    Source: authors' code of `MAN <https://arxiv.org/abs/2407.05623>`_, ECCV
    2024, and of `MAN++ <https://arxiv.org/abs/2507.16279>`_ (``scaled``). The
    paper of the first has one aux net for both parts, and a bias.

    Args:
        in_channels (int): Channels of the features at the boundary.
        copier (BlockCopier): Copies the block; the trace adds it.
        momentum (float): The part of the average that stays in a step.
            Defaults to 0.995.
        scaled (bool): Whether the trained copy is weighed by a learnt ``s``
            and the average by ``2 - s``, as in MAN++; s starts from 1. It
            decays with the other weights. Defaults to False.
        init_cfg (dict, optional): Initialization. Defaults to None: as the
            backbone initializes its blocks.

    Shape:
        - feats: tuple, its last entry ``(B, C, h, w)``.
        - output: tuple of one ``(B, out_channels, h', w')``, as the block's.

    Raises:
        ValueError: If ``momentum`` is out of range.
        BoundaryError: If the next block does not take features of the
            boundary, or there is none.
    """

    def __init__(
        self,
        in_channels: int,
        copier: 'BlockCopier',
        momentum: float = 0.995,
        scaled: bool = False,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= momentum <= 1:
            raise ValueError(
                '`momentum` of MomentumBlock should be from 0 to 1, but got '
                f'{momentum!r}. 0.995 is the published one.'
            )
        block = copier.find_next()
        if block.in_channels != in_channels:
            raise BoundaryError(
                '`boundary` should lie right before a block for MomentumBlock,'
                f' but got features of {in_channels} channels, and the next '
                f'block {block.name!r} takes {block.in_channels}. Choose a '
                'boundary inside a stage.'
            )
        self.block_name = block.name
        self.momentum = momentum
        self.trained = copier.copy(block)
        self.average = copier.copy(block)
        self.average.requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(())) if scaled else None
        self.out_channels = self.trained.out_channels
        self.stride = self.trained.stride

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Run both blocks, and add what they return.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, C, h, w)``.

        Returns:
            tuple[Tensor]: One feature map.
        """
        trained, average = self.trained(feats[-1]), self.average(feats[-1])
        if self.scale is not None:
            trained = self.scale * trained
            average = (2 - self.scale) * average
        return (trained + average,)

    @torch.no_grad()
    def follow(self, backbone: nn.Module) -> None:
        """Let the average follow the block.

        Args:
            backbone (nn.Module): The backbone that the block belongs to.
        """
        block = backbone.get_submodule(self.block_name)
        for average, parameter in zip(
            self.average.parameters(), block.parameters(), strict=True
        ):
            average.lerp_(parameter, 1 - self.momentum)
