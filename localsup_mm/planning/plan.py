"""Boundaries, what is computed again, and what both cost."""

from dataclasses import dataclass, field

from ..metering import format_bytes

__all__ = ['Plan']

_KINDS = {
    'full': 'computed again as a whole',
    'cheap': 'computed again but for convs and matrix products',
}


@dataclass(frozen=True)
class Plan:
    """A choice of cuts, and of what is computed again, with its costs.

    Args:
        boundaries (tuple[str]): The K - 1 boundaries.
        module_peaks (tuple[int]): Bytes while each local module trains, as
            counted; the last one trains with neck and heads.
        end_to_end (int): Bytes of an end-to-end iteration.
        extra_macs (float): Multiply-accumulates that aux nets, and context,
            add to the network's forward pass, as a fraction.
        recompute (dict): The names of what is computed again in the
            backward, as :func:`recompute_modules` takes them. Defaults to {}.
        extra_time (float): Predicted time of a step that the plan adds to
            end-to-end training, as a fraction; see :class:`MemoryModel`.
            Defaults to 0.
        extra_step_macs (float): Multiply-accumulates of a whole step that it
            adds, as a fraction. Defaults to 0.
        note (str): A remark, as where the plan saves nothing.
            Defaults to ''.
    """

    boundaries: tuple[str, ...]
    module_peaks: tuple[int, ...]
    end_to_end: int
    extra_macs: float
    recompute: dict[str, list[str]] = field(default_factory=dict)
    extra_time: float = 0.0
    extra_step_macs: float = 0.0
    note: str = field(default='', compare=False)

    @property
    def peak_memory(self) -> int:
        """Bytes of an iteration with these boundaries."""
        return max(self.module_peaks)

    @property
    def busiest(self) -> int:
        """Index of the local module that sets the peak, from 0."""
        return self.module_peaks.index(self.peak_memory)

    def find_end(self, k: int) -> str:
        """Say where a local module ends.

        Args:
            k (int): Index of the local module, from 0.

        Returns:
            str: Its boundary, or ``'the heads'``.
        """
        return (*self.boundaries, 'the heads')[k]

    def describe(self) -> str:
        """Describe the plan in words, on several lines."""
        k = len(self.boundaries) + 1
        peak, end_to_end, *peaks = (
            format_bytes(size, unit_of=self.end_to_end)
            for size in (
                self.peak_memory,
                self.end_to_end,
                *self.module_peaks,
            )
        )
        lines = [
            f'{k} local module{"s" if k > 1 else ""}: peak memory '
            f'{peak}, '
            f'{100 * self.peak_memory / self.end_to_end:.1f} % of end-to-end '
            f'in the same settings ({end_to_end}), '
            f'{100 * self.extra_macs:.1f} % more MACs'
        ]
        if self.boundaries or self.recompute:
            lines.append(
                f'  a step: {100 * self.extra_step_macs:+.1f} % MACs, '
                f'{100 * self.extra_time:+.1f} % time, predicted'
            )
        ends = [*map(repr, self.boundaries), 'the heads']
        lines += [
            f'  local_{i} up to {end}: {peak}'
            for i, (end, peak) in enumerate(zip(ends, peaks))
        ]
        lines += [
            f'  {_KINDS[kind]}: {", ".join(names)}'
            for kind, names in self.recompute.items()
        ]
        if self.note:
            lines.append(self.note)
        return '\n'.join(lines)
