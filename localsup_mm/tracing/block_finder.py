"""The blocks that a backbone is a chain of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from torch import nn

from .autograd_graph import AutogradGraph, iterate
from .block import Block
from .boundary import Boundary
from .module_call import ModuleCall

__all__ = ['BlockFinder']

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class BlockFinder:
    """A search for the blocks of a backbone.

    A block is an entry of a list or of a sequence, computes more than one
    layer does, and is a cut. Of blocks inside one another the outermost
    counts; a sequence of blocks is none itself.

    Args:
        graph (AutogradGraph): The graph of the backbone.
        inputs (Mapping[str, list]): Nodes that enter each submodule.
        outputs (Mapping[str, list]): Nodes that leave each submodule; None
            for a tensor without a graph.
        calls (Mapping[str, ModuleCall]): The run of each submodule.
        submodules (Mapping[str, nn.Module]): All submodules.
    """

    graph: AutogradGraph
    inputs: Mapping[str, list]
    outputs: Mapping[str, list]
    calls: Mapping[str, ModuleCall]
    submodules: Mapping[str, nn.Module]

    def find(
        self,
        boundaries: Mapping[str, Boundary],
        image_shape: tuple[int, ...],
    ) -> tuple[Block, ...]:
        """Find the blocks.

        Args:
            boundaries (Mapping[str, Boundary]): All cuts, by name.
            image_shape (tuple[int]): ``(C, H, W)`` of the traced images, or
                ``(C, T, H, W)`` of clips.

        Returns:
            tuple[Block]: They are in the order in which they run.
        """
        entries = [
            name
            for name in boundaries
            if name.rpartition('.')[2].isdigit()
            and any(True for _ in self.submodules[name].children())
        ]
        single = [
            name
            for name in entries
            if not (
                isinstance(self.submodules[name], _CONTAINERS)
                and any(_is_inside(other, name) for other in entries)
            )
        ]
        outermost = [
            name
            for name in single
            if not any(_is_inside(name, other) for other in single)
        ]
        blocks = (
            self._describe(boundaries[name], image_shape) for name in outermost
        )
        return tuple(block for block in blocks if block is not None)

    def _describe(
        self, boundary: Boundary, image_shape: tuple[int, ...]
    ) -> Optional[Block]:
        """Describe a block; None if it is not called by its features alone."""
        call = self.calls[boundary.name]
        is_of_tokens = len(call.in_shape) == 3
        if len(call.in_shape) != len(call.shape) or len(call.inputs) != 1:
            return None
        entry = Boundary.of_shape('', call.in_shape, image_shape)
        takes_size = is_of_tokens and len(call.others) == 2
        if call.others and not (
            takes_size and call.others[0] * call.others[1] == call.in_shape[1]
        ):
            return None
        return Block(
            boundary.name,
            entry.channels,
            entry.stride,
            boundary.channels,
            boundary.stride,
            is_of_tokens,
            takes_size,
            () if is_of_tokens else tuple(self._find_entry_convs(boundary)),
        )

    def _find_entry_convs(self, boundary: Boundary) -> Iterator[str]:
        """Yield the convs that a block's input enters, if it has to."""
        start = self.calls[boundary.name].inputs[0]
        start = None if start is None else self.graph.find(start)
        if start is None:
            return
        convs = [
            name
            for name, module in self.submodules.items()
            if _is_inside(name, boundary.name)
            and isinstance(module, (nn.Conv2d, nn.Conv3d))
            and module.groups == 1
            and self.calls.get(name) is not None
            and self._is_fed_by(name, start)
        ]
        ends = {self.outputs[name][0] for name in convs}
        todo, seen = [self.outputs[boundary.name][0]], 0
        while todo:
            node = todo.pop()
            if node == start:
                return  # a path leads around the convs
            if node in ends or seen >> node & 1:
                continue
            seen |= 1 << node
            todo += iterate(self.graph.parents(node))
        for name in convs:
            yield name.removeprefix(f'{boundary.name}.')

    def _is_fed_by(self, name: str, start: int) -> bool:
        """Tell whether nothing trains between a node and a module."""
        inputs = self.inputs[name]
        return len(inputs) == 1 and (
            self.graph.depends_on(inputs[0], start)
            and not self.graph.trains_in(inputs[0], self.graph.closure(start))
        )


def _is_inside(name: str, other: str) -> bool:
    return name.startswith(f'{other}.')
