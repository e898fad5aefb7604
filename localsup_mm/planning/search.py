"""The search for the best boundaries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from .memory_model import MemoryModel

__all__ = ['Choice', 'find_choices', 'keep_lowest']

# Above the lowest peak by so little, fewer MACs are worth more.
TIE = 0.01


@dataclass(frozen=True)
class Choice:
    """Boundaries up to some place, and what they cost.

    Args:
        places (tuple[int]): Places of the boundaries, as in
            :class:`MemoryModel`. Defaults to ().
        busiest (int): Bytes of the local module that needs the most, without
            what lives in the whole iteration. Defaults to 0.
        static (int): Bytes that live in the whole iteration. Defaults to 0.
        gradients (int): Bytes of the aux nets' gradients. Defaults to 0.
        macs (int): Multiply-accumulates of the aux nets. Defaults to 0.
    """

    places: tuple[int, ...] = ()
    busiest: int = 0
    static: int = 0
    gradients: int = 0
    macs: int = 0

    @property
    def peak(self) -> int:
        """Predicted bytes of the iteration."""
        return self.busiest + self.static

    def extend(self, memory_model: MemoryModel, place: int) -> 'Choice':
        """Add the local module from the last boundary to a place."""
        start = self.places[-1] if self.places else 0
        peak = self.gradients + memory_model.module_peak(start, place)
        busiest = max(self.busiest, peak)
        if place == memory_model.end:
            return Choice(
                self.places, busiest, self.static, self.gradients, self.macs
            )
        aux = memory_model.aux_cost(place)
        return Choice(
            (*self.places, place),
            busiest,
            self.static + memory_model.aux_static(place),
            self.gradients + memory_model.aux_gradients(place),
            self.macs + aux.macs,
        )

    def is_beaten_by(self, other: 'Choice') -> bool:
        """Check whether another one to the same place is as good in all."""
        return (
            other.busiest <= self.busiest
            and other.macs <= self.macs
            and other.static <= self.static
            and other.gradients <= self.gradients
        )


def find_choices(
    memory_model: MemoryModel, num_local_modules: Optional[int] = None
) -> list[Choice]:
    """Find the choices of boundaries that are best in some respect.

    Local modules follow one another and the busiest one sets the peak. So
    what comes behind a place does not depend on how one got there, but for
    what the aux nets before add, and of two choices up to a place one that
    is worse in nothing does for both: dynamic programming, place by place.

    Args:
        memory_model (MemoryModel): Model of the memory that each local module
            needs.
        num_local_modules (int, optional): K. Defaults to None: any number.

    Returns:
        list[Choice]: Choices from the lowest peak to the fewest MACs; no other
        choice has both a lower peak and fewer MACs. The list is empty if
        there are not so many places.
    """
    count = num_local_modules
    # choices by place and, where it matters, by their number of boundaries
    start = Choice(static=memory_model.profile.static)
    best: dict[tuple[int, int], list[Choice]] = {(0, 0): [start]}
    for place in range(1, memory_model.end + 1):
        found: dict[int, list[Choice]] = {}
        for choices in best.values():
            for choice in choices:
                cuts = len(choice.places) + 1
                if count is not None and (
                    cuts > count
                    or (place == memory_model.end and cuts < count)
                ):
                    continue
                key = 0 if count is None else cuts
                found.setdefault(key, []).append(
                    choice.extend(memory_model, place)
                )
        for key, choices in found.items():
            best[place, key] = _keep_best(choices)
    ends = [
        c for (p, _), cs in best.items() if p == memory_model.end for c in cs
    ]
    return _keep_front(ends)


def keep_lowest(
    choices: Sequence[Choice], margin: float = TIE
) -> list[Choice]:
    """Keep the choices that need hardly more memory than the lowest one.

    Args:
        choices (Sequence[Choice]): Choices from :func:`find_choices`.
        margin (float): Memory above the lowest peak that is allowed, as a
            fraction of it. Defaults to 0.01.

    Returns:
        list[Choice]: The kept choices; the last one has the fewest MACs.
    """
    limit = (1 + margin) * choices[0].peak
    return [choice for choice in choices if choice.peak <= limit]


def _keep_best(choices: list[Choice]) -> list[Choice]:
    kept: list[Choice] = []
    order = sorted(
        choices, key=lambda c: (c.macs, c.busiest, c.static, c.places)
    )
    for choice in order:
        if not any(choice.is_beaten_by(other) for other in kept):
            kept.append(choice)
    return kept


def _keep_front(choices: list[Choice]) -> list[Choice]:
    front: list[Choice] = []
    for choice in sorted(
        choices, key=lambda c: (c.peak, c.macs, len(c.places), c.places)
    ):
        if not front or choice.macs < front[-1].macs:
            front.append(choice)
    return front
