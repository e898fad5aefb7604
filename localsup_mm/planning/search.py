"""The search for the best boundaries and what to compute again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from .fronts import Point, keep_some
from .memory_model import MemoryModel

__all__ = ['BOUNDARY_TIME', 'TIE', 'Choice', 'find_choices', 'keep_lowest']

# Above the lowest peak by so little, less time is worth more.
TIE = 0.01

# A boundary has to save so much of the time of a step, or memory.
BOUNDARY_TIME = 0.01

# Of choices behind one place so many are kept, from low to high peaks.
_MAX_CHOICES = 64


@dataclass(frozen=True)
class Choice:
    """Boundaries and what is computed again, and what both cost.

    Args:
        places (tuple[int]): Places of the boundaries, as in
            :class:`MemoryModel`.
        ways (tuple[int]): The way of each stretch, as in :class:`Point`.
        peak (int): Predicted bytes of the iteration.
        cost (float): Time of aux nets and of what is computed again, in
            multiply-accumulates, and what boundaries count.
    """

    places: tuple[int, ...]
    ways: tuple[int, ...]
    peak: int
    cost: float


class _Rest(NamedTuple):
    """The local modules from some place on.

    Args:
        cost (float): See :class:`Choice`.
        peak (int): Most bytes that live while one of them trains, without
            the parameters of the network and what earlier aux nets add.
        static (int): Bytes of it that their aux nets add to the whole
            iteration.
        place (int): Where the first of them ends.
        point (Point): The ways of its stretches.
        rest (_Rest, optional): Those behind it; None for the last.
    """

    cost: float
    peak: int
    static: int
    place: int
    point: Point
    rest: Optional[_Rest]


def find_choices(
    memory_model: MemoryModel,
    num_local_modules: Optional[int] = None,
    boundary_time: float = BOUNDARY_TIME,
    limit: Optional[int] = None,
) -> list[Choice]:
    """Find the choices that are best in some respect.

    Local modules follow one another and the busiest one sets the peak. So
    what comes behind a place does not depend on how one gets there, but for
    what the aux nets behind add to all, and of two choices behind a place one
    that is worse in nothing does for both: dynamic programming, from the
    last place to the first.

    Args:
        memory_model (MemoryModel): Model of the memory and the time that
            each local module needs.
        num_local_modules (int, optional): K. Defaults to None: any number.
        boundary_time (float): The price of a boundary beside its aux nets, a
            fraction of the time of an end-to-end step: of two choices so near
            to one another the one with fewer local modules is better, since
            it is more like end-to-end training. Defaults to 0.01.
        limit (int, optional): Bytes that the iteration may take. Since some
            of many are left out on the way, those below it are more to the
            point than those of all. Defaults to None: any.

    Returns:
        list[Choice]: Choices from the lowest peak to the lowest cost; no other
        choice is better in both, but that some are left out of many on the
        way. The list is empty if there are not so many places.
    """
    price = boundary_time * memory_model.step_time
    starts = [0, *memory_model.cuts]
    most = num_local_modules or 1
    # by place, and by their number where that matters
    best: dict[tuple[int, int], list[_Rest]] = {}
    for a in reversed(starts):
        for count in range(1, most + 1):
            found: list[_Rest] = []
            if num_local_modules is None or count == 1:
                found += _end_at_once(memory_model, a, limit)
            behind = count - (num_local_modules is not None)
            for b in starts[a + 1 :]:
                rests = best.get((b, behind))
                if not rests:
                    continue
                points = memory_model.find_points(a, b, limit)
                found += _begin_with(memory_model, b, points, rests, price)
            if limit is not None:
                static = memory_model.profile.static
                found = [r for r in found if r.peak + static <= limit]
            best[a, count] = _keep_best(found, limit is not None)
    return _keep_front(
        [_spell_out(memory_model, rest) for rest in best[0, most]]
    )


def keep_lowest(
    choices: Sequence[Choice], margin: float = TIE
) -> list[Choice]:
    """Keep the choices that need hardly more memory than the lowest one.

    Args:
        choices (Sequence[Choice]): Choices from :func:`find_choices`.
        margin (float): Memory above the lowest peak that is allowed, as a
            fraction of it. Defaults to 0.01.

    Returns:
        list[Choice]: The kept choices; the last one has the lowest cost.
    """
    limit = (1 + margin) * choices[0].peak
    return [choice for choice in choices if choice.peak <= limit]


def _end_at_once(
    memory_model: MemoryModel, a: int, limit: Optional[int]
) -> Iterator[_Rest]:
    """Make the last local module."""
    end = memory_model.end
    for point in memory_model.find_points(a, end, limit):
        yield _Rest(point.time, point.peak, 0, end, point, None)


def _begin_with(
    memory_model: MemoryModel,
    b: int,
    points: Sequence[Point],
    rests: Sequence[_Rest],
    price: float,
) -> Iterator[_Rest]:
    """Put a local module that ends at b before others."""
    more = memory_model.aux_static(b)
    gradients = memory_model.aux_gradients(b)
    time = memory_model.aux_time(b) + price
    for point in points:
        for rest in rests:
            static = rest.static + more
            peak = max(point.peak + static, rest.peak + gradients + more)
            cost = point.time + rest.cost + time
            yield _Rest(cost, peak, static, b, point, rest)


def _keep_best(rests: list[_Rest], is_limited: bool) -> list[_Rest]:
    """Keep those that none is better than, and not too many."""
    kept: list[_Rest] = []
    # peaks and static bytes of those kept, as stairs that lead down
    peaks: list[int] = []
    statics: list[int] = []
    for rest in sorted(rests, key=lambda rest: rest[:4]):
        i = bisect_right(peaks, rest.peak)
        if i and statics[i - 1] <= rest.static:
            continue
        kept.append(rest)
        j = i
        while j < len(peaks) and statics[j] >= rest.static:
            j += 1
        peaks[i:j], statics[i:j] = [rest.peak], [rest.static]
    kept.sort(key=lambda rest: rest.peak)
    return keep_some(kept, _MAX_CHOICES, is_limited)


def _spell_out(memory_model: MemoryModel, rest: _Rest) -> Choice:
    peak = rest.peak + memory_model.profile.static
    cost = rest.cost
    places: list[int] = []
    ways: list[int] = []
    following: Optional[_Rest] = rest
    while following is not None:
        places.append(following.place)
        ways += following.point.ways
        following = following.rest
    return Choice(tuple(places[:-1]), tuple(ways), peak, cost)


def _keep_front(choices: list[Choice]) -> list[Choice]:
    front: list[Choice] = []
    for choice in sorted(
        choices, key=lambda c: (c.peak, c.cost, len(c.places), c.places)
    ):
        if not front or choice.cost < front[-1].cost:
            front.append(choice)
    return front
