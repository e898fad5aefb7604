"""Peak memory of any choice of boundaries, by arithmetic."""

from collections.abc import Container, Sequence

from .aux_cost import AuxCost
from .storages import Storages
from .stretches import StepProfile, Stretch

__all__ = ['MemoryModel']


class MemoryModel:
    """A prediction of memory from an end-to-end iteration and aux nets.

    Place 0 is the start of the backbone, place i the end of the i-th
    stretch, and place ``end`` that of the last one. Local module (a, b) leads
    from place a to place b. While it trains there live

    - parameters, buffers and optimizer state, those of all aux nets too;
    - gradients of all parameters before a, unless they have been stepped;
    - what earlier local modules left: features at a, closed outputs, taps;
    - what its own passes take, and those of its aux nets or, for the last,
      of neck and heads and of the optimizer's step.

    Args:
        profile (StepProfile): The end-to-end iteration.
        aux_costs (Sequence[AuxCost]): The aux nets at each candidate
            boundary.
        step_each_module (bool): See :class:`LocalOptimWrapper`. Defaults to
            False.
    """

    def __init__(
        self,
        profile: StepProfile,
        aux_costs: Sequence[AuxCost],
        step_each_module: bool = False,
    ) -> None:
        self.profile = profile
        self.end = len(profile.stretches)
        self._keeps_gradients = not step_each_module
        # by the place at their end
        start = Stretch(live_after=profile.live_at_start)
        self._stretches = [start, *profile.stretches]
        self._aux_costs = dict(enumerate(aux_costs, 1))
        self._module_peaks = {
            (a, b): self._add_up(a, b)
            for b in range(1, self.end + 1)
            for a in range(b)
        }

    def module_peak(self, a: int, b: int) -> int:
        """Look up the most that lives while a local module trains.

        Args:
            a (int): Place where it begins.
            b (int): Place where it ends.

        Returns:
            int: Bytes; of earlier aux nets and of the parameters nothing is
            counted.
        """
        return self._module_peaks[a, b]

    def aux_cost(self, place: int) -> AuxCost:
        """Look up what the aux nets at a place cost."""
        return self._aux_costs[place]

    def aux_static(self, place: int) -> int:
        """Compute the bytes that aux nets add to the whole iteration."""
        aux = self._aux_costs[place]
        return aux.static + round(self.profile.state_ratio * aux.parameters)

    def aux_gradients(self, place: int) -> int:
        """Compute the bytes that aux nets leave for the modules behind."""
        return self._aux_costs[place].gradients * self._keeps_gradients

    def peaks(self, places: Sequence[int]) -> list[int]:
        """Predict the peak while each local module trains.

        Args:
            places (Sequence[int]): Places of the K - 1 boundaries, in order.

        Returns:
            list[int]: K sizes in bytes; the largest is that of the
            iteration.
        """
        static = self.profile.static + sum(map(self.aux_static, places))
        gradients, peaks = 0, []
        for a, b in zip([0, *places], [*places, self.end]):
            peaks.append(static + gradients + self.module_peak(a, b))
            if b != self.end:
                gradients += self.aux_gradients(b)
        return peaks

    def _add_up(self, a: int, b: int) -> int:
        """Take an end-to-end iteration, less what lies outside (a, b)."""
        before, last = self._stretches[a], self._stretches[b]
        # each with the one that it follows
        inside = list(
            zip(self._stretches[a:b], self._stretches[a + 1 : b + 1])
        )
        parts = [
            stretch.forward_peak + _left_behind(before, previous.kept)
            for previous, stretch in inside
        ]
        # the hook at b runs while the module there holds its input
        left = _left_behind(before, last.kept.keys() | last.input.keys())
        if b == self.end:
            parts += [s.backward_peak + left for _, s in inside]
            gradients = last.gradients - before.gradients
            parts.append(before.live_after + gradients + self.profile.update)
        else:
            aux = self._aux_costs[b]
            # those of the aux nets, instead of those behind b
            gradients = aux.gradients + last.gradients - self.profile.gradients
            parts += [
                _backward_peak(*pair, last) + left + gradients
                for pair in inside
            ]
            parts.append(last.live_after + left + aux.peak)
        return (
            max(parts)
            - before.live_after
            + self.profile.live_at_start
            + before.gradients * self._keeps_gradients
        )


def _left_behind(before: Stretch, held: Container[int]) -> int:
    """Sum what earlier local modules left, as far as it is still held.

    Their features live on in any case, since the next local module reads
    them.

    Args:
        before (Stretch): The last one of the earlier local modules.
        held (Container[int]): Storages that something holds.

    Returns:
        int: Bytes.
    """
    left = {key: size for key, size in before.kept.items() if key in held}
    return sum({**left, **before.output}.values())


def _backward_peak(previous: Stretch, stretch: Stretch, last: Stretch) -> int:
    """Predict the most that lives in the backward of one stretch.

    There live on the features at the end of the local module, which the hook
    holds, what went into the module there, and outputs that end-to-end
    training would have freed by then.

    Args:
        previous (Stretch): The one before it.
        stretch (Stretch): The one that is gone back through.
        last (Stretch): The one at the end of the local module.

    Returns:
        int: Bytes.
    """
    kept: Storages = dict(last.kept)
    counted = {*previous.kept, *previous.output}
    ends = {**last.output, **last.input}
    if stretch is last:
        peak = stretch.holding_peak
        counted.update(ends)
    else:
        peak = stretch.backward_peak
        kept.update(ends)
    return peak + sum(size for key, size in kept.items() if key not in counted)
