"""Seeing which outputs of a backbone live on behind it."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Optional

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..tracing import Partition
from ..upstream import find_node_number
from .storages import Storages, find_storages, find_tensors

__all__ = ['BackboneOutputs', 'find_holders', 'watching_saved']


class BackboneOutputs:
    """The outputs of a backbone that has run.

    Args:
        feats (Any): Nested lists, tuples and dicts of tensors.
    """

    def __init__(self, feats: Any) -> None:
        tensors = find_tensors(feats)
        self._storages = [find_storages(tensor) for tensor in tensors]
        self._is_frozen = [not tensor.requires_grad for tensor in tensors]
        self._sizes = [tensor.nbytes for tensor in tensors]
        self._nodes = {
            (t.grad_fn, t.output_nr): i
            for i, t in enumerate(tensors)
            if t.requires_grad
        }
        # the stretches that learn from each
        self._readers: dict[int, set[int]] = {}

    def find_readers(self, loss: Tensor, ends: Sequence[int]) -> None:
        """Find where neck and heads learn from them, before the backward.

        Args:
            loss (Tensor): The loss of the iteration, ``()``.
            ends (Sequence[int]): Numbers of the first node behind each
                stretch but the last.
        """
        nodes, self._nodes = self._nodes, {}
        seen, todo = set(), [((loss.grad_fn, loss.output_nr), len(ends))]
        while todo:
            edge, reader = todo.pop()
            if edge in nodes:
                self._readers.setdefault(nodes[edge], set()).add(reader)
            elif edge[0] is not None and edge[0] not in seen:
                seen.add(edge[0])
                position = bisect_right(ends, find_node_number(edge[0]))
                todo += [(e, position) for e in edge[0].next_functions]

    def find_sent(self, position: int) -> dict[int, int]:
        """Find the gradients that live when the backward comes to a stretch.

        Args:
            position (int): That of the stretch.

        Returns:
            dict[int, int]: Bytes of those that stretches behind it have sent
            to outputs of the backbone, by the position of the output.
        """
        return {
            i: self._sizes[i]
            for i, readers in self._readers.items()
            if max(readers) > position
        }

    def find_kept(
        self, partition: Partition, is_held: Optional[Sequence[bool]] = None
    ) -> Storages:
        """Find those that live on behind a cut.

        Args:
            partition (Partition): The cut.
            is_held (Sequence[bool], optional): Whether something still holds
                each of them. Defaults to None: all of them.

        Returns:
            Storages: Closed and frozen ones that are held.
        """
        kept: Storages = {}
        for i, storages in enumerate(self._storages):
            is_kept = self._is_frozen[i] or i in partition.closed_outputs
            if is_kept and (is_held is None or is_held[i]):
                kept.update(storages)
        return kept

    def find_saved(
        self, partition: Partition, is_saved: Sequence[bool], position: int
    ) -> Storages:
        """Find those that live in the backward of a stretch behind a cut.

        Args:
            partition (Partition): The cut.
            is_saved (Sequence[bool]): Whether neck and heads save each.
            position (int): That of the stretch.

        Returns:
            Storages: Those that it saves itself, or one before it, whose
            backward comes later.
        """
        is_held = [
            saved and min(self._readers.get(i, (0,))) <= position
            for i, saved in enumerate(is_saved)
        ]
        return self.find_kept(partition, is_held)


def find_holders(boundary: str, partition: Partition) -> set[str]:
    """Name the modules whose inputs live on behind a cut.

    Args:
        boundary (str): The boundary of the cut.
        partition (Partition): The cut.

    Returns:
        set[str]: The modules around the boundary, and the taps.
    """
    parts = boundary.split('.')
    around = {'.'.join(parts[:i]) for i in range(1, len(parts))}
    return around.union(partition.taps)


@contextmanager
def watching_saved(backbone: nn.Module) -> Iterator[list[bool]]:
    """See which outputs neck and heads save for their backward.

    Args:
        backbone (nn.Module): A backbone that runs once, in a model.

    Yields:
        list[bool]: Whether they save each output; it is empty until the end.
    """
    outputs: list[Tensor] = []
    saved: set[int] = set()
    is_saved: list[bool] = []

    def save(tensor: Tensor) -> Tensor:
        saved.update(find_storages(tensor))
        # an output would hold its own node, which would never be freed
        return tensor.detach()

    def at_end(backbone: nn.Module, args: tuple, feats: Any) -> None:
        outputs.extend(find_tensors(feats))
        stack.enter_context(saved_tensors_hooks(save, lambda t: t))

    with ExitStack() as stack:
        stack.callback(backbone.register_forward_hook(at_end).remove)
        yield is_saved
    is_saved += [not saved.isdisjoint(find_storages(t)) for t in outputs]
