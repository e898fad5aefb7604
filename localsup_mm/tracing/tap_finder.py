"""Modules that train between a freed stretch and an output."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .autograd_graph import AutogradGraph, iterate

__all__ = ['TapFinder']


@dataclass(frozen=True)
class TapFinder:
    """A search for taps in a backbone of which a stretch is freed.

    A tap is a module with parameters between the freed stretch and an output
    of the backbone, e.g. the norm that Swin puts behind a stage. It learns
    from the loss of the neck where its input is detached.

    Args:
        graph (AutogradGraph): The graph of the backbone.
        inputs (Mapping[str, list]): Nodes that enter each submodule.
        outputs (Mapping[str, list]): Nodes that leave each submodule; None
            for a tensor without a graph.
        freed (int): The set of freed nodes.
    """

    graph: AutogradGraph
    inputs: Mapping[str, list]
    outputs: Mapping[str, list]
    freed: int

    def find(
        self, boundaries: Sequence[str], ends: Collection[int]
    ) -> tuple[str, ...]:
        """Find the taps before some outputs of the backbone.

        Args:
            boundaries (Sequence[str]): Names of the boundaries.
            ends (Collection[int]): Nodes of the outputs.

        Returns:
            tuple[str]: Names of the taps; the outermost modules are taken
            whole.
        """
        side = 0
        for end in ends:
            side |= self.graph.closure(end) & ~self.freed
        taps: list[str] = []
        for name in sorted(self.inputs, key=lambda n: n.count('.')):
            has_boundary = any(
                f'{boundary}.'.startswith(f'{name}.')
                for boundary in boundaries
            )
            is_inside_tap = any(name.startswith(f'{tap}.') for tap in taps)
            if (
                self._reaches(name, side)
                and self._is_fed_closed(name)
                and not has_boundary
                and not is_inside_tap
            ):
                taps.append(name)
        return tuple(taps)

    def is_separable(self, end: int, taps: Sequence[str]) -> bool:
        """Tell whether detached inputs of taps free an output's graph.

        Args:
            end (int): Node of the output.
            taps (Sequence[str]): Names of the taps.

        Returns:
            bool: Whether each path from the freed stretch leads into a tap.
        """
        entries = {node for tap in taps for node in self.inputs[tap]}
        seen, todo = 0, [end]
        while todo:
            node = todo.pop()
            if seen >> node & 1 or node in entries:
                continue
            seen |= 1 << node
            if self.freed >> node & 1:
                return False
            todo += iterate(self.graph.parents(node))
        return True

    def _reaches(self, name: str, nodes: int) -> bool:
        return any(
            node is not None and nodes >> node & 1
            for node in self.outputs[name]
        )

    def _is_fed_closed(self, name: str) -> bool:
        """Tell whether nothing before a module trains outside the stretch."""
        inputs = self.inputs[name]
        return bool(inputs) and not any(
            self.graph.trains_in(node, self.freed) for node in inputs
        )
