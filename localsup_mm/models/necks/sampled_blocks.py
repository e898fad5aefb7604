"""AugLocal's aux net: a sample of the blocks that follow."""

from typing import TYPE_CHECKING, Optional

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

if TYPE_CHECKING:
    from ...supervision.block_copier import BlockCopier

__all__ = ['SampledBlocks']


@MODELS.register_module()
class SampledBlocks(BaseModule):
    """Fresh copies of a uniform sample of the backbone's later blocks.

    An early local module learns for a surrogate of what follows it. The
    number of blocks falls from the first boundary to the last, by a factor of
    1 - ``decay`` (the pyramid rule).

    Source: `AugLocal <https://arxiv.org/abs/2402.17318>`_, ICLR 2024,
    section 3. Difference: the authors put a batch norm before the linear
    layer of an aux net of depth 1.

    Args:
        in_channels (int): Channels of the features at the boundary.
        copier (BlockCopier): Copies the blocks; the trace adds it.
        depth (int): Blocks of the aux net at the first boundary. Defaults to
            3.
        decay (float): The part of them that the last boundary does without;
            one block is left in any case. Defaults to 0.5, as published for
            CIFAR-10; for ImageNet it was 0.
        pool (bool): Whether to average over all positions behind the blocks,
            for a classifier. Defaults to False.
        init_cfg (dict, optional): Initialization. Defaults to None: as the
            backbone initializes its blocks.

    Shape:
        - feats: tuple, its last entry ``(B, C, h, w)``.
        - output: tuple of one ``(B, out_channels, h', w')``, or ``(B,
          out_channels)`` with ``pool``.

    Raises:
        ValueError: If ``depth`` or ``decay`` is out of range.
        BoundaryError: If no block is behind the boundary, or none can be
            sampled.
    """

    def __init__(
        self,
        in_channels: int,
        copier: 'BlockCopier',
        depth: int = 3,
        decay: float = 0.5,
        pool: bool = False,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        if depth < 1:
            raise ValueError(
                '`depth` of SampledBlocks should be at least 1, but got '
                f'{depth!r}. 3 is a good start.'
            )
        if not 0 <= decay <= 1:
            raise ValueError(
                '`decay` of SampledBlocks should be from 0 to 1, but got '
                f'{decay!r}. 0.5 is the published one.'
            )
        depth = max(1, round(depth - (depth - 1) * decay * copier.ratio))
        copies = copier.sample(in_channels, depth)
        self.blocks = nn.Sequential(*copies)
        self.pool = pool
        self.out_channels = copies[-1].out_channels
        self.stride = 1
        for block in copies:
            self.stride *= block.stride

    def forward(self, feats: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Run the blocks.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, C, h, w)``.

        Returns:
            tuple[Tensor]: One feature map, or ``(B, out_channels)``.
        """
        x = self.blocks(feats[-1])
        return (x.flatten(2).mean(2) if self.pool else x,)
