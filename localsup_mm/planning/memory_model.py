"""Peak memory and time of any plan, by arithmetic."""

from collections.abc import Sequence
from math import inf
from typing import Optional

from .aux_cost import AuxCost
from .fronts import Point, thin_out
from .stretches import (
    StepProfile,
    Stretch,
    closed_gradients,
    held_longer,
    left_behind,
)

__all__ = ['MACS_PER_BYTE', 'MemoryModel']

# In the time in which an op that is no conv or matrix product moves a byte,
# convs and matrix products do so many multiply-accumulates.
MACS_PER_BYTE = 10.0


class MemoryModel:
    """A prediction from an end-to-end iteration and aux nets.

    Place 0 is the start of the backbone, place i the end of the i-th
    stretch, and place ``end`` that of the last one. Local module (a, b) leads
    from place a to place b, which is a candidate boundary or ``end``. While
    it trains there live

    - parameters, buffers and optimizer state, those of all aux nets too;
    - gradients of all parameters before a, unless they have been stepped;
    - what earlier local modules left: features at a, closed outputs, taps;
    - what its own passes take, and those of its aux nets or, for the last,
      of neck and heads and of the optimizer's step.

    Time is multiply-accumulates of convs and matrix products, plus those that
    take as long as the bytes that all other ops move.

    Args:
        profile (StepProfile): The end-to-end iteration.
        aux_costs (Sequence[AuxCost]): The aux nets at each candidate
            boundary.
        step_each_module (bool): See :class:`LocalOptimWrapper`. Defaults to
            False.
        macs_per_byte (float): Multiply-accumulates that a byte counts which
            is moved. Defaults to 10.
    """

    def __init__(
        self,
        profile: StepProfile,
        aux_costs: Sequence[AuxCost],
        step_each_module: bool = False,
        macs_per_byte: float = MACS_PER_BYTE,
    ) -> None:
        self.profile = profile
        self.aux_costs = aux_costs
        self.macs_per_byte = macs_per_byte
        self.end = len(profile.stretches)
        self._keeps_gradients = not step_each_module
        # by the place at their end
        start = Stretch(live_after=profile.live_at_start)
        self._stretches = [start, *profile.stretches]
        self._points: dict[tuple, list[Point]] = {}

    @property
    def cuts(self) -> range:
        """The places of the candidate boundaries."""
        return range(1, len(self.profile.names) + 1)

    @property
    def step_time(self) -> float:
        """Time of the end-to-end iteration, in multiply-accumulates."""
        profile = self.profile
        return profile.step_macs + self.macs_per_byte * profile.moved

    def aux_cost(self, place: int) -> AuxCost:
        """Look up what the aux nets at a place cost."""
        return self.aux_costs[place - 1]

    def aux_static(self, place: int) -> int:
        """Compute the bytes that aux nets add to the whole iteration."""
        aux = self.aux_cost(place)
        return aux.static + round(self.profile.state_ratio * aux.parameters)

    def aux_gradients(self, place: int) -> int:
        """Compute the bytes that aux nets leave for the modules behind."""
        return self.aux_cost(place).gradients * self._keeps_gradients

    def aux_time(self, place: int) -> float:
        """Compute the time of aux nets, in multiply-accumulates."""
        aux = self.aux_cost(place)
        return aux.step_macs + self.macs_per_byte * aux.moved

    def peaks(
        self, places: Sequence[int], ways: Optional[Sequence[int]] = None
    ) -> list[int]:
        """Predict the peak while each local module trains.

        Args:
            places (Sequence[int]): Places of the K - 1 boundaries, in order.
            ways (Sequence[int], optional): The way of each stretch, as in
                :class:`Point`. Defaults to None: nothing is computed again.

        Returns:
            list[int]: K sizes in bytes; the largest is that of the
            iteration.
        """
        ways = ways or [0] * self.end
        static = self.profile.static + sum(map(self.aux_static, places))
        gradients, peaks = 0, []
        for a, b in zip([0, *places], [*places, self.end]):
            chosen = [[way] for way in ways[a:b]]
            [point] = self._add_up(a, b, chosen)
            peaks.append(static + gradients + point.peak)
            if b != self.end:
                gradients += self.aux_gradients(b)
        return peaks

    def find_points(
        self, a: int, b: int, limit: Optional[int] = None
    ) -> list[Point]:
        """Find the best ways to recompute a local module.

        Args:
            a (int): Place where it begins.
            b (int): Place where it ends.
            limit (int, optional): Bytes that the iteration may take. Defaults
                to None: any.

        Returns:
            list[Point]: Ways from the lowest peak to the least time. No other
            one is better in both, but that some are left out of many. Of
            earlier aux nets and of the parameters nothing is counted.
        """
        points = self._points.get((a, b, limit))
        if points is None:
            inside = self._stretches[a + 1 : b + 1]
            choices = [[*range(1 + len(s.ways))] for s in inside]
            points = self._add_up(a, b, choices, limit)
            if b == self.end:
                kept = self._stretches[a].kept.keys()
                # without those that hold what others can do without
                free = [
                    [n for n in numbers if kept.isdisjoint(s.arguments(n))]
                    for s, numbers in zip(inside, choices)
                ]
                if free != choices:
                    more = self._add_up(a, b, free, limit)
                    points = thin_out([*points, *more], limit)
            self._points[a, b, limit] = points
        return points

    def _add_up(
        self,
        a: int,
        b: int,
        choices: Sequence[Sequence[int]],
        limit: Optional[int] = None,
    ) -> list[Point]:
        """Take an end-to-end iteration, less what lies outside (a, b).

        From its end to its start: what must fit into memory above that which
        lives at the start of a stretch is what that takes itself, or what it
        keeps and what must fit behind it.
        """
        before, last = self._stretches[a], self._stretches[b]
        more = (
            self.profile.live_at_start
            + before.gradients * self._keeps_gradients
        )
        most = inf if limit is None else limit - self.profile.static - more
        # the hook at b runs while the module there holds its input
        left = left_behind(before, last.kept.keys() | last.input.keys())
        held_by_ways = self._held_by_ways(a, choices)
        freed = self._freed_at_most(a, choices)
        if b == self.end:
            gradients = last.gradients - before.gradients
            update = gradients + self.profile.update
            points = [Point(0, 0.0, ())]
        else:
            aux = self.aux_cost(b)
            update = 0
            points = [Point(left + aux.peak, 0.0, ())]
            # gradients of the aux nets, instead of those behind b
            in_backward = left + (
                aux.gradients + last.gradients - self.profile.gradients
            )
        for place in range(b, a, -1):
            previous, stretch = self._stretches[place - 1 : place + 1]
            in_forward = left_behind(before, previous.kept)
            if b != self.end:
                held = in_backward + held_longer(previous, stretch, last)
                held -= closed_gradients(stretch, stretch)
            else:
                is_held = stretch.saved.keys() | held_by_ways[place - a - 1]
                held = left_behind(before, is_held)
                held -= closed_gradients(before, stretch)
            found = []
            for number in choices[place - a - 1]:
                way = stretch.ways[number - 1] if number else stretch
                is_end = stretch is last and b != self.end
                peak = way.holding_peak if is_end else way.backward_peak
                own = max(way.forward_peak + in_forward, peak + held)
                own -= way.live_before
                kept = way.live_after - way.live_before
                time = self._time_again(stretch, way)
                found += [
                    Point(
                        max(own, point.peak + kept),
                        point.time + time,
                        (number, *point.ways),
                    )
                    for point in points
                ]
            bound = most + freed[place - a - 1]
            points = thin_out([p for p in found if p.peak <= bound], limit)
        points = [p._replace(peak=max(p.peak, update) + more) for p in points]
        return thin_out(points, limit)

    def _freed_at_most(
        self, a: int, choices: Sequence[Sequence[int]]
    ) -> list[int]:
        """Sum what the stretches from a up to each may free in their forward.

        A stretch may keep less than it finds: by so much a peak above a limit
        may still sink.
        """
        sums = [0]
        for stretch, numbers in zip(self._stretches[a + 1 :], choices):
            ways = [stretch.ways[n - 1] if n else stretch for n in numbers]
            kept = min(way.live_after - way.live_before for way in ways)
            sums.append(sums[-1] + max(0, -kept))
        return sums

    def _held_by_ways(
        self, a: int, choices: Sequence[Sequence[int]]
    ) -> list[set[int]]:
        """Find what may be held in the backward of each stretch behind a.

        It is what is to be computed again there, or before it.
        """
        held: set[int] = set()
        found = []
        for stretch, numbers in zip(self._stretches[a + 1 :], choices):
            held = held.union(*map(stretch.arguments, numbers))
            found.append(held)
        return found

    def _time_again(self, stretch: Stretch, way: Stretch) -> float:
        macs = way.backward_macs - stretch.backward_macs
        moved = way.backward_moved - stretch.backward_moved
        return macs + self.macs_per_byte * moved
