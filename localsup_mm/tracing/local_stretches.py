"""Which submodules of a backbone run in which local module."""

from collections.abc import Iterable, Sequence
from typing import Optional

from .backbone_trace import BackboneTrace

__all__ = ['LocalStretches']


class LocalStretches:
    """The parts of a backbone that belong to each of K local modules.

    Args:
        trace (BackboneTrace): A trace that follows frozen parameters and
            images, too (``frozen_too=True``).
        names (Sequence[str]): Names of the K - 1 boundaries.
    """

    def __init__(self, trace: BackboneTrace, names: Sequence[str]) -> None:
        self._trace = trace
        self._names = names
        self._ends = [trace.outputs_of[name][0] for name in names]

    def find_owners(self) -> dict[str, int]:
        """Find the local module that each parameter and buffer belongs to.

        Returns:
            dict[str, int]: Index by the name of a parameter, or by that of
            a submodule that has run; the last local module owns the rest.
        """
        graph = self._trace.graph
        owners = {
            name: self._find_local_module(nodes)
            for name, nodes in self._trace.outputs_of.items()
        }
        for k in reversed(range(len(self._ends))):
            for name in graph.parameters_in(graph.closure(self._ends[k])):
                owners[name] = k
        return owners

    def find_outputs(self) -> dict[int, int]:
        """Find the outputs of the backbone that the last module only reads.

        Returns:
            dict[int, int]: By the index of an output, the local module in
            which it is computed; none that the last one computes.
        """
        found = {
            i: self._count_ends_before(node)
            for i, node in enumerate(self._trace.outputs)
            if node is not None
        }
        last = len(self._ends)
        return {i: k for i, k in found.items() if k < last}

    def find_source(self, name: str) -> int:
        """Find the local module that computes what enters a submodule."""
        nodes = self._trace.inputs_of[name]
        return max(map(self._count_ends_before, nodes), default=0)

    def find_idle(self, k: int) -> tuple[str, ...]:
        """Find the submodules that need not run for local module k.

        Those before it lead to nothing but its first features, those behind
        it depend on its last ones.

        Args:
            k (int): Index of the local module, from 0 to K - 1.

        Returns:
            tuple[str]: Names of the outermost ones.
        """
        before = self._ends[k - 1] if self.starts_at_cut(k) else None
        behind = self._ends[k] if k < len(self._ends) else None
        ends = self._names[max(k - 1, 0) : k + 1]
        idle: list[str] = []
        for name in sorted(self._trace.outputs_of, key=lambda n: n.count('.')):
            is_inside = any(
                name.startswith(f'{other}.') for other in (*idle, *ends)
            )
            has_end = any(f'{end}.'.startswith(f'{name}.') for end in ends)
            if (
                not (is_inside or has_end)
                and self._trace.calls[name].count == 1
                and self._lies_apart(name, before, behind)
            ):
                idle.append(name)
        return tuple(idle)

    def starts_at_cut(self, k: int) -> bool:
        """Tell whether all that local module k reads enters at its boundary.

        Else something that needs no gradient leads around it, of the image
        or of frozen layers.
        """
        return k > 0 and self._names[k - 1] in self._trace.boundaries

    def _lies_apart(
        self, name: str, before: Optional[int], behind: Optional[int]
    ) -> bool:
        graph, nodes = self._trace.graph, self._trace.outputs_of[name]
        return bool(nodes) and all(
            node is not None
            and (
                (before is not None and graph.ancestors(before) >> node & 1)
                or (behind is not None and graph.ancestors(node) >> behind & 1)
            )
            for node in nodes
        )

    def _count_ends_before(self, node: int) -> int:
        return sum(self._trace.graph.depends_on(node, e) for e in self._ends)

    def _find_local_module(self, nodes: Iterable[Optional[int]]) -> int:
        found = [node for node in nodes if node is not None]
        for k, end in enumerate(self._ends):
            inside = self._trace.graph.closure(end)
            if found and all(inside >> node & 1 for node in found):
                return k
        return len(self._ends)
