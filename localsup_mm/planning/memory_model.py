"""Peak memory of any choice of boundaries, by arithmetic."""

from collections.abc import Collection, Sequence

from .aux_cost import AuxCost
from .step_profile import StepProfile

__all__ = ['MemoryModel']


class MemoryModel:
    """Adds up what an end-to-end iteration and aux nets were seen to take.

    Local module (a, b) leads from place a to place b, see
    :class:`StepProfile`. While it trains there live

    - parameters, buffers and optimizer state, those of all aux nets too;
    - gradients of all parameters before a, unless they have been stepped;
    - what earlier local modules left: features at a, closed outputs, taps;
    - what its own passes take, and those of its aux nets or, for the last,
      of neck and heads and of the optimizer's step.

    Args:
        profile (StepProfile): Of the end-to-end iteration.
        aux_costs (Sequence[AuxCost]): At each candidate boundary.
        step_each_module (bool): As :class:`LocalOptimWrapper`. Defaults to
            False.
    """

    def __init__(
        self,
        profile: StepProfile,
        aux_costs: Sequence[AuxCost],
        step_each_module: bool = False,
    ) -> None:
        self.profile = profile
        self._keeps_gradients = not step_each_module
        self.end = len(profile.names) + 1
        self._aux = [None, *aux_costs, None]
        self._phases = {
            (a, b): self._add_up(a, b)
            for b in range(1, self.end + 1)
            for a in range(b)
        }

    def phase(self, a: int, b: int) -> int:
        """The most that lives while a local module trains.

        Args:
            a (int): Place where it begins.
            b (int): Place where it ends.

        Returns:
            int: Bytes; of earlier aux nets and of the parameters nothing is
            counted.
        """
        return self._phases[a, b]

    def aux(self, place: int) -> AuxCost:
        """The aux nets at a place."""
        return self._aux[place]

    def aux_static(self, place: int) -> int:
        """Bytes that aux nets add to the whole iteration."""
        aux = self._aux[place]
        return aux.static + round(self.profile.state_ratio * aux.parameters)

    def aux_gradients(self, place: int) -> int:
        """Bytes that aux nets leave for the local modules behind them."""
        return self._aux[place].gradients * self._keeps_gradients

    def peaks(self, places: Sequence[int]) -> list[int]:
        """Peak while each local module trains.

        Args:
            places (Sequence[int]): Of the K - 1 boundaries, in order.

        Returns:
            list[int]: K sizes in bytes; the largest is that of the
            iteration.
        """
        static = self.profile.static + sum(map(self.aux_static, places))
        gradients, peaks = 0, []
        for a, b in zip([0, *places], [*places, self.end]):
            peaks.append(static + gradients + self.phase(a, b))
            if b != self.end:
                gradients += self.aux_gradients(b)
        return peaks

    def _add_up(self, a: int, b: int) -> int:
        p = self.profile
        inside = range(a + 1, b + 1)
        # the hook at b runs while the module there holds its input
        left = self._left(a, p.kept[b] | p.inputs[b])
        parts = [
            p.forward_peaks[i] + self._left(a, p.kept[i - 1]) for i in inside
        ]
        if b == self.end:
            update = p.gradients[-1] - p.gradients[a] + p.update
            parts += [p.backward_peaks[i] + left for i in inside]
            parts.append(p.forward[a] + update)
        else:
            aux = self._aux[b]
            # of the aux nets, instead of what lies behind
            gradients = aux.gradients - p.gradients[-1] + p.gradients[b]
            parts += [
                self._backward_peak(i, b) + left + gradients for i in inside
            ]
            parts.append(p.forward[b] + left + aux.peak)
        return (
            max(parts)
            - p.forward[a]
            + p.forward[0]
            + p.gradients[a] * self._keeps_gradients
        )

    def _left(self, a: int, held: Collection[int]) -> int:
        """What the local modules before place a leave, if still held."""
        if a == 0:
            return 0
        p = self.profile
        left = {key: p.kept[a][key] for key in p.kept[a].keys() & held}
        return sum({**left, p.outputs[a][0]: p.outputs[a][1]}.values())

    def _backward_peak(self, i: int, b: int) -> int:
        """In stretch i of a local module that ends at boundary b.

        There live on its features at b, which the hook holds, what went
        into the module there, and outputs that end-to-end training would
        have freed by then.
        """
        p = self.profile
        live = {*p.kept[i - 1], p.outputs[i - 1][0]}
        kept = dict(p.kept[b])
        if i == b:
            live.add(p.outputs[b][0])
        else:
            kept.update([p.outputs[b]])
            kept.update(p.inputs[b])
        extra = sum(size for key, size in kept.items() if key not in live)
        peaks = p.held_peaks if i == b else p.backward_peaks
        return peaks[i] + extra
