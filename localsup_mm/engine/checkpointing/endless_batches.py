"""The batches of mmengine's loop over iterations, which can be skipped."""

import time
from collections.abc import Iterator
from typing import Any, Optional

import torch
from mmengine.logging import print_log
from torch.utils.data import DataLoader

from ...upstream import HostBatches
from ..random_states import are_equal, get_random_states, set_random_states
from .resumable_data import Place, ResumableLoader, make_resumable

__all__ = ['EndlessBatches']


class EndlessBatches:
    """Batches of a data loader, pass after pass.

    It stands for the iterator that mmengine's loop over iterations makes for
    itself. Nothing is read before the first batch is drawn, so that a resumed
    training can leave out those it has seen.

    Args:
        dataloader (DataLoader): The data loader.
    """

    def __init__(self, dataloader: DataLoader) -> None:
        self._loader = dataloader
        self._batches: Optional[Iterator] = None
        self._epoch = 0
        self._num_to_drop = 0
        self._states: Optional[dict] = None
        self._place: Optional[Place] = None
        if not make_resumable(dataloader):
            self._batches = iter(dataloader)
            return
        self._place = Place()
        starts_early = not hasattr(HostBatches, 'skip_iter')
        if starts_early and dataloader.generator is None:
            # mmengine's draws the seed of workers here, before weights
            self._place.start_states = get_random_states()
            torch.empty((), dtype=torch.int64).random_()

    def __iter__(self) -> Iterator:
        """Return itself."""
        return self

    def __next__(self) -> Any:
        """Return the next batch."""
        if self._num_to_drop > 0:
            self._num_to_drop -= 1
            return None
        if self._states is not None:
            set_random_states(self._states)
            self._states = None
        try:
            return next(self._start_pass())
        except StopIteration:
            print_log(
                'All batches were seen: the data loader starts again. With '
                'InfiniteSampler it never has to.',
                logger='current',
            )
            self._set_epoch(self._epoch + 1)
            if self._loader.num_workers > 0:
                time.sleep(2)  # as mmengine does, against deadlocks
            self._batches = None
            return next(self._start_pass())

    def resume(
        self, num_iters: int, states: Optional[dict], dropped: bool
    ) -> None:
        """Go on behind batches that were seen, as if they had been drawn.

        They are not read if leaving them out is exact: if it is known what
        they would have left behind, and a sampler that shuffles by the random
        states of the process has not to be asked under other ones.

        Args:
            num_iters (int): How many were seen.
            states (dict, optional): Random states to be set before the next
                one is drawn. None leaves them as they are.
            dropped (bool): Whether who calls will draw as many as were seen,
                to drop them.
        """
        if not self._skip(num_iters, states):
            for _ in range(num_iters):
                next(self)
        self._states = states
        self._num_to_drop = num_iters if dropped else 0

    def skip_iter(self, num_iters: int) -> None:
        """Leave out batches, unless :meth:`resume` did.

        Args:
            num_iters (int): How many.
        """
        if self._num_to_drop == 0:
            self.resume(num_iters, None, dropped=False)
        self._num_to_drop = 0

    def _start_pass(self) -> Iterator:
        if self._batches is None:
            if isinstance(self._loader, ResumableLoader):
                self._loader.place, self._place = self._place, None
            self._batches = iter(self._loader)
        return self._batches

    def _skip(self, num_iters: int, states: Optional[dict]) -> bool:
        """Leave out batches of indices, if that is exact."""
        loader = self._loader
        data = (states or {}).get('data', {})
        is_known = not states or 'workers' in data or not loader.num_workers
        if self._place is None or not is_known:
            return False
        assert isinstance(loader, ResumableLoader)
        now = get_random_states()
        place = Place(
            seen=num_iters,
            workers=data.get('workers', {}),
            start_states=self._place.start_states or now,
        )
        while not loader.skip(place):
            self._set_epoch(self._epoch + 1)
        if are_equal(get_random_states(), now):
            self._place = place
            return True
        # the sampler shuffled by them: it has to at the right time
        set_random_states(now)
        self._set_epoch(0)
        return False

    def _set_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        loader = self._loader
        for sampler in (
            loader.sampler,
            getattr(loader.batch_sampler, 'sampler', None),
        ):
            set_epoch = getattr(sampler, 'set_epoch', None)
            if set_epoch is not None:
                set_epoch(epoch)
                break
