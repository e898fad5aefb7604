"""A choice of boundaries, and what it costs."""

from dataclasses import dataclass, field

from ..metering import format_bytes

__all__ = ['Plan']


@dataclass(frozen=True)
class Plan:
    """A choice of cuts with its costs.

    Args:
        boundaries (tuple[str]): The K - 1 boundaries.
        module_peaks (tuple[int]): Bytes while each local module trains, as
            counted; the last one trains with neck and heads.
        end_to_end (int): Bytes of an end-to-end iteration.
        extra_macs (float): Multiply-accumulates that aux nets, and context,
            add to the network's forward pass, as a fraction.
        note (str): A remark, as where the plan saves nothing.
            Defaults to ''.
    """

    boundaries: tuple[str, ...]
    module_peaks: tuple[int, ...]
    end_to_end: int
    extra_macs: float
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
        ends = [*map(repr, self.boundaries), 'the heads']
        lines += [
            f'  local_{i} up to {end}: {peak}'
            for i, (end, peak) in enumerate(zip(ends, peaks))
        ]
        if self.note:
            lines.append(self.note)
        return '\n'.join(lines)
