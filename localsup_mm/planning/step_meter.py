"""Reading off what lives and what is computed while an iteration runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..metering import LiveBytes, MacCounter
from ..simulation import FakeStep

__all__ = ['StepMeter']


class StepMeter:
    """The memory and the work of an iteration, read again and again.

    Args:
        step (FakeStep): The iteration.

    Attributes:
        static (int): Bytes that live in the whole iteration.
        peak (int): Most bytes that have lived at once so far.
    """

    def __init__(self, step: FakeStep) -> None:
        self._live = LiveBytes(step.model, step.optimizer)
        self._counter = MacCounter()
        self._seen = (0, 0)
        self.static = self.peak = self._live.current

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count while the iteration runs."""
        with self._live, self._counter:
            yield

    @property
    def live(self) -> int:
        """Bytes that live now, without ``static``."""
        return self._live.current - self.static

    @property
    def forward_macs(self) -> int:
        """Multiply-accumulates outside of backwards so far."""
        return self._counter.forward

    @property
    def work(self) -> tuple[int, int]:
        """Multiply-accumulates so far, and bytes that other ops moved."""
        return self._counter.total, self._counter.moved

    def take_peak(self, less: int = 0) -> int:
        """Read the peak since it was last read, without ``static``.

        Args:
            less (int): Bytes that still count, but do not any more in the
                next reading. Defaults to 0.

        Returns:
            int: Bytes.
        """
        peak = self._live.peak
        self.peak = max(self.peak, peak)
        self._live.peak = self._live.current - less
        return peak - self.static

    def take_work(self) -> tuple[int, int]:
        """Read the work since it was last read."""
        macs, moved = self.work
        (seen_macs, seen_moved), self._seen = self._seen, (macs, moved)
        return macs - seen_macs, moved - seen_moved
