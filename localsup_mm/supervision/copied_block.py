"""A copy of a backbone's block, as a part of an aux net."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..models.layers import on_frames
from ..tracing import Block

__all__ = ['CopiedBlock']


class CopiedBlock(BaseModule):
    """A block of the backbone, with parameters of its own.

    It takes a feature map whichever way the block is called.

    Args:
        module (nn.Module): The copy of the block.
        block (Block): The block, as the trace saw it.
        stride (int): Divisor of the feature map's size; 2 x 2 max pooling
            does it where the block does not.

    Shape:
        - x: ``(B, C, h, w)``, of clips ``(B, C, t, h, w)``.
        - output: ``(B, block.channels, h / stride, w / stride)``.
    """

    def __init__(self, module: nn.Module, block: Block, stride: int) -> None:
        super().__init__()
        self.module = module
        self.stride = stride
        self.out_channels = block.channels
        self._is_of_tokens = block.is_of_tokens
        self._takes_size = block.takes_size
        self._pools = stride * block.in_stride > block.stride

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x (Tensor): ``(B, C, h, w)``.

        Returns:
            Tensor: A feature map, too.
        """
        if self._pools:
            x = on_frames(_halve, x)
        if not self._is_of_tokens:
            return self.module(x)
        size = x.shape[-2:]
        tokens = x.flatten(2).transpose(1, 2)
        others = (tuple(size),) if self._takes_size else ()
        return self.module(tokens, *others).transpose(1, 2).unflatten(2, size)


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, ceil_mode=True)
