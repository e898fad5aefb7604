"""The ways between a process and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import torch
import torch.distributed as dist

from .channel import Receiver, Sender
from .handover import Handover

__all__ = ['Pipe', 'Report']


class Report(NamedTuple):
    """News for the process before, behind an iteration.

    Args:
        losses (dict[str, Any]): Losses of its own, and those it was told.
        version (dict[str, Tensor]): Parameters that aux nets there follow.
    """

    losses: dict[str, Any]
    version: dict[str, Any]


class Pipe:
    """Handovers come from the process before and go to the next.

    Reports go the other way, and nobody waits for them but who needs a
    version.

    Args:
        groups (Sequence[dist.ProcessGroup]): One of gloo for handovers, one
            for reports.
        size (int): How many handovers may wait on either side.
        device (torch.device): Where tensors go that were on a GPU.
    """

    def __init__(
        self,
        groups: Sequence[dist.ProcessGroup],
        size: int,
        device: torch.device,
    ) -> None:
        rank = dist.get_rank()
        self._received: Optional[Receiver] = None
        self._handed: Optional[Sender] = None
        self._told: Optional[Receiver] = None
        self._reported: Optional[Sender] = None
        if rank > 0:
            self._received = Receiver(rank - 1, groups[0], size, device)
            self._reported = Sender(rank - 1, groups[1], 0)
        if rank < dist.get_world_size() - 1:
            self._handed = Sender(rank + 1, groups[0], size)
            self._told = Receiver(rank + 1, groups[1], 0, device)

    def receive(self) -> Optional[Handover]:
        """Wait for what the process before hands over; None in the first."""
        return None if self._received is None else self._received.take()

    def hand_over(self, handover: Handover) -> None:
        """Hand over to the next process; wait where it has too much to do."""
        assert self._handed is not None
        self._handed.put(handover)

    def report(self, report: Report) -> None:
        """Tell the process before; the first one has none to tell."""
        if self._reported is not None:
            self._reported.put(report)

    def find_reports(self, waits: bool = False) -> list[Report]:
        """Return what the next process has told since.

        Args:
            waits (bool): Whether to wait for one. Defaults to False.

        Returns:
            list[Report]: In order; none in the last process.
        """
        if self._told is None:
            return []
        return [self._told.take()] if waits else self._told.take_all()

    def close(self) -> None:
        """End it; all processes do so behind the same iteration."""
        ends = self._handed, self._reported, self._received, self._told
        for end in ends:
            if end is not None:
                end.close()
