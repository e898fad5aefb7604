"""Signals by which a scheduler asks a training to stop."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import torch
import torch.distributed as dist
from mmengine.dist import get_comm_device, get_world_size
from torch.utils.data import DataLoader

from ...upstream import end_process

__all__ = ['StopSignal']

# iterations between two of which processes ask each other
_INTERVAL = 10
# seconds after which a signal that comes again ends the process at once
_PATIENCE = 30


class StopSignal:
    """Remembers that a signal asked this process, or another one, to stop.

    Args:
        names (Sequence[str]): Names of signals. One that this system does
            not know, or for which somebody has a handler, is left alone.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._caught: list[signal.Signals] = []
        self._number = 0  # of the signal that came to this process
        self._agreed = 0  # of the one that all processes know of
        self._time = 0.0
        self._asked: Optional[_Question] = None

    def catch(self) -> None:
        """Catch the signals from now on."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python allows it nowhere else
        for name in self._names:
            number = getattr(signal, name, None)
            if number is None:
                continue
            handler = signal.getsignal(number)
            # a training before, in this process, may have left its own
            was_ours = isinstance(
                getattr(handler, '__self__', None), StopSignal
            )
            if was_ours or handler == signal.SIG_DFL:
                signal.signal(number, self._note)
                self._caught.append(number)

    def release(self) -> None:
        """Let them do what they do by default."""
        for number in self._caught:
            signal.signal(number, signal.SIG_DFL)
        self._caught.clear()

    def find(self, iteration: int, delay: int = 0) -> int:
        """Ask whether a signal came, with the same answer in all processes.

        Args:
            iteration (int): Number of the iteration, the same in all of them.
                Several processes ask each other in one of ten.
            delay (int): Iterations after which the answer is waited for, the
                same in all of them. Defaults to 0: it is at once.

        Returns:
            int: The number of the signal, or 0.
        """
        if get_world_size() == 1:
            self._agreed = self._number
        elif self._names and not self._agreed:
            if self._asked is None and iteration % _INTERVAL == 0:
                number = torch.tensor(self._number, device=get_comm_device())
                work = dist.all_reduce(
                    number, dist.ReduceOp.MAX, async_op=True
                )
                self._asked = _Question(iteration, number, work)
            if self._asked and iteration >= self._asked.iteration + delay:
                self._asked.work.wait()
                self._agreed, self._asked = int(self._asked.number), None
        return self._agreed

    def shield_workers(self, loader: DataLoader) -> None:
        """Let workers that load data survive a signal to all processes.

        A worker that ended before the training would end it with an error.
        They end with it, and where it tells them to.

        Args:
            loader (DataLoader): Its workers have not been started.
        """
        init = getattr(loader, 'worker_init_fn', None)
        if (
            self._caught
            and getattr(loader, 'num_workers', 0) > 0
            and not isinstance(init, _Shield)
        ):
            loader.worker_init_fn = _Shield(init, self._caught)

    def _note(self, number: int, frame: Any) -> None:
        if not self._number:
            self._number, self._time = number, time.monotonic()
        elif time.monotonic() > self._time + _PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


class _Question(NamedTuple):
    """A question to all processes, and the work that brings the answer."""

    iteration: int
    number: torch.Tensor
    work: Any


class _Shield:
    """Start a worker shielded, then as the host does."""

    def __init__(
        self, init: Optional[Callable], numbers: Sequence[signal.Signals]
    ) -> None:
        self._init = init
        self._ignored = [n for n in numbers if n != signal.SIGTERM]

    def __call__(self, worker: int) -> None:
        for number in self._ignored:
            signal.signal(number, signal.SIG_IGN)
        if hasattr(signal, 'sigwaitinfo'):
            # threads that are started from here on inherit the mask
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            threading.Thread(target=_end_with_parent, daemon=True).start()
        if self._init is not None:
            self._init(worker)


def _end_with_parent() -> None:
    """Wait for the signal as the training itself sends it."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    end_process()
