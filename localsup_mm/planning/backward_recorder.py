"""Recording what a backward needs, stretch by stretch."""

import weakref
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, Optional

from torch import Tensor

from .step_meter import StepMeter
from .storages import find_tensors
from .stretches import Stretch

__all__ = ['BackwardRecorder']


class BackwardRecorder:
    """Hooks that write down what lives while a backward goes through.

    Args:
        meter (StepMeter): It counts while the iteration runs.
        stretches (Sequence[Stretch]): Those of the forward pass, of which
            there may be more until the backward begins.

    Attributes:
        live_at_end (int): Bytes that live when the backward is over, without
            those that live in the whole iteration.
    """

    def __init__(self, meter: StepMeter, stretches: Sequence[Stretch]) -> None:
        self.live_at_end = 0
        self._meter = meter
        self._stretches = stretches
        # the stretch that it is in; None outside of it
        self._position: Optional[int] = None
        # bytes at the ends of stretches that are gone, by name
        self._freed: Counter[str] = Counter()

    def begin(self) -> None:
        """Note that the forward pass is over."""
        self._position = len(self._stretches) - 1
        self._meter.take_work()

    def end(self) -> None:
        """Note that the backward is over."""
        self._note()
        self._position = None
        self.live_at_end = self._meter.live

    def watch_gradients(self, outputs: Any, position: int) -> None:
        """See when the backward comes to a stretch.

        Args:
            outputs (Any): The tensors that it has returned, nested.
            position (int): That of the stretch.
        """
        for tensor in find_tensors(outputs):
            if tensor.requires_grad:
                tensor.register_hook(partial(self._at_gradient, position))

    def watch_ends(self, ends: Any, stretch: Stretch) -> None:
        """See when tensors at the end of a stretch go.

        Args:
            ends (Any): The tensors that the module there gets and returns. In
                a local module that ends there they live until its end.
            stretch (Stretch): The stretch.
        """
        for storage in {t.untyped_storage() for t in find_tensors(ends)}:
            at_freed = partial(self._at_freed, stretch, storage.nbytes())
            weakref.finalize(storage, at_freed).atexit = False

    def _at_freed(self, stretch: Stretch, size: int) -> None:
        """Note that an end goes, but still counts in a local module."""
        position = self._position
        if position is not None and stretch is self._stretches[position]:
            self._note(size)
        self._freed[stretch.name] += size

    def _at_gradient(self, position: int, gradient: Tensor) -> None:
        # of several outputs the first
        if self._position is not None and position < self._position:
            self._note()
            self._position = position

    def _note(self, less: int = 0) -> None:
        stretch = self._stretches[self._position or 0]
        peak = self._meter.take_peak(less)
        macs, moved = self._meter.take_work()
        stretch.backward_macs += macs
        stretch.backward_moved += moved
        holding = peak + self._freed[stretch.name]
        stretch.backward_peak = max(stretch.backward_peak, peak)
        stretch.holding_peak = max(stretch.holding_peak, holding)
