"""Copies of a backbone's blocks, for the aux nets of one boundary."""

import copy
import math
from collections.abc import Sequence
from typing import Optional

from mmengine.model import BaseModule, initialize
from torch import nn

from ..errors import BoundaryError
from ..tracing import Block
from .copied_block import CopiedBlock

__all__ = ['BlockCopier']


class BlockCopier:
    """Copies the blocks of a backbone that run behind a boundary.

    Copies have the architecture of a block and fresh weights, drawn as the
    backbone draws its own.

    Args:
        backbone (nn.Module): The backbone.
        blocks (Sequence[Block]): Its blocks, as the trace found them.
        num_done (int): How many of them are through at the boundary.
        ratio (float): Where the boundary is among all, from 0 for the first
            to 1 for the last. Defaults to 0.0.

    Attributes:
        ratio (float): The same.
        is_used (bool): Whether an aux net has asked for a block.
    """

    def __init__(
        self,
        backbone: nn.Module,
        blocks: Sequence[Block],
        num_done: int,
        ratio: float = 0.0,
    ) -> None:
        self._backbone = backbone
        self._blocks = blocks
        self._num_done = num_done
        self.ratio = ratio
        self.is_used = False

    def find_next(self) -> Block:
        """Find the first block behind the boundary.

        Returns:
            Block: The block.

        Raises:
            BoundaryError: If there is none.
        """
        self.is_used = True
        if self._num_done == len(self._blocks):
            raise BoundaryError(
                '`boundary` should lie before a block of the backbone for aux '
                f'nets that copy blocks, but got {self._num_done} blocks of '
                f'{type(self._backbone).__name__} before it and none behind '
                'it. Choose an earlier boundary, or other aux nets.'
            )
        return self._blocks[self._num_done]

    def copy(self, block: Block) -> CopiedBlock:
        """Copy a block as it is.

        Args:
            block (Block): One of the backbone.

        Returns:
            CopiedBlock: The copy.
        """
        return self._copy(block, block.in_channels, _stride_of(block))

    def sample(self, in_channels: int, depth: int) -> list[CopiedBlock]:
        """Copy a uniform sample of the blocks behind the boundary.

        Of the n blocks behind l others, counted with the stem as block 0, it
        takes ``round(l + n i / depth)`` for i = 1 to depth, so that the last
        one is always among them. Where its input is narrower than a block's
        own, the copy is of the first block of the same stage, which gets
        convs for that width. Each copy halves the size at most once; what is
        left of the stride goes to the next one.

        A block that cannot take another width, such as a transformer's, is
        replaced by the nearest one that keeps the width and size there are.

        Source: `AugLocal <https://arxiv.org/abs/2402.17318>`_, ICLR 2024,
        section 3.2; the last paragraph is ours.

        Args:
            in_channels (int): Channels of the features at the boundary.
            depth (int): Number of blocks.

        Returns:
            list[CopiedBlock]: The copies, in order; fewer than ``depth`` if
            fewer blocks are left.

        Raises:
            BoundaryError: If no block is left, or none takes this width.
        """
        first = self.find_next()
        done, left = self._num_done, len(self._blocks) - self._num_done
        depth = min(depth, left)
        picks = [
            self._blocks[round(done + left * i / depth) - 1]
            for i in range(1, depth + 1)
        ]
        copies, width, debt = [], in_channels, 0.0
        stride_before = first.in_stride
        for block in picks:
            debt += math.log2(block.stride / stride_before)
            stride_before = block.stride
            stride = 2 if debt >= 1 else 1
            debt -= math.log2(stride)
            source = self._find_source(block, width, stride)
            if source is None:
                source, stride = self._find_like(block, width), 1
            copies.append(self._copy(source, width, stride))
            width = source.channels
        return copies

    def _find_source(
        self, block: Block, width: int, stride: int
    ) -> Optional[Block]:
        """Find the block to copy for one of a stage, if any takes a width."""
        if (block.in_channels, _stride_of(block)) == (width, stride):
            return block
        first = next(
            other
            for other in self._blocks
            if (other.channels, other.stride) == (block.channels, block.stride)
        )
        takes_it = first.entry_convs or first.in_channels == width
        return first if takes_it and _stride_of(first) <= stride else None

    def _find_like(self, block: Block, width: int) -> Block:
        """Find the block nearest to another that keeps a width and a size."""
        place = self._blocks.index(block)
        found = [
            (abs(i - place), i)
            for i, other in enumerate(self._blocks)
            if other.in_channels == other.channels == width
            and _stride_of(other) == 1
        ]
        if not found:
            raise BoundaryError(
                '`SampledBlocks` should sample blocks of a backbone that take '
                f'{width} channels, but got {block.name!r} of '
                f'{type(self._backbone).__name__} with {block.in_channels}, '
                'and none like it for that width. Choose other boundaries or '
                'another aux neck.'
            )
        return self._blocks[min(found)[1]]

    def _copy(self, block: Block, width: int, stride: int) -> CopiedBlock:
        module = copy.deepcopy(self._backbone.get_submodule(block.name))
        if width != block.in_channels:
            for name in block.entry_convs:
                _set_in_channels(module.get_submodule(name), width)
        for part in module.modules():
            if hasattr(part, 'reset_parameters'):
                part.reset_parameters()
            if isinstance(part, BaseModule):
                part.is_init = False
        module.requires_grad_(True)
        initialize(module, self._find_init_cfg())
        return CopiedBlock(module, block, stride)

    def _find_init_cfg(self) -> list[dict]:
        """Find how the backbone initializes all layers of a kind."""
        found = getattr(self._backbone, 'init_cfg', None) or []
        return [
            cfg
            for cfg in ([found] if isinstance(found, dict) else found)
            if 'layer' in cfg and 'override' not in cfg
        ]


def _stride_of(block: Block) -> int:
    return max(block.stride // block.in_stride, 1)


def _set_in_channels(conv: nn.Module, in_channels: int) -> None:
    conv.in_channels = in_channels
    shape = (conv.out_channels, in_channels, *conv.kernel_size)
    conv.weight = nn.Parameter(conv.weight.new_empty(shape))
