"""Data that goes on where a training was interrupted, without reading more.

What is left out are batches of indices: no image of them is read. What the
images behind them draw at random is as if those had been read, since the
random states of the data loader's workers are kept with a checkpoint.
"""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple, Optional

from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..random_states import get_random_states, set_random_states

__all__ = ['Place', 'ResumableLoader', 'make_resumable']


@dataclass
class Place:
    """Where and how a pass over the data starts.

    Args:
        seen (int): How many batches of the pass are left out. Defaults to 0.
        rest (Iterator, optional): The batches of indices behind those.
            Defaults to None, which means what the sampler gives then.
        workers (dict): Number of a worker to its random states; those of
            others are as the host sets them. Defaults to none.
        start_states (dict, optional): Random states of this process when
            the pass started, by which workers are seeded. Defaults to None,
            which means that it starts with its first batch.
        states (dict, optional): Random states of this process at the first
            batch. Defaults to None, which leaves them as they are.
    """

    seen: int = 0
    rest: Optional[Iterator] = None
    workers: dict = field(default_factory=dict)
    start_states: Optional[dict] = None
    states: Optional[dict] = None


class ResumableLoader(DataLoader):
    """A data loader that knows its place, and may start at another.

    :func:`make_resumable` makes one of torch's. A pass starts when its first
    batch is drawn.
    """

    place: Optional[Place]
    seen: int
    worker_states: dict[int, bytes]

    def find_place(self) -> dict:
        """Return where the pass is now, as plain data and tensors.

        Returns:
            dict: ``seen`` and ``workers``, as :class:`Place` takes them.
        """
        states = self.worker_states.items()
        return dict(
            seen=self.seen,
            workers={worker: pickle.loads(s) for worker, s in states},
        )

    def skip(self, place: Place) -> bool:
        """Leave out batches of a pass, of which none is read.

        Args:
            place (Place): The place to start at. If the pass is shorter,
                ``seen`` becomes what is left for the next one.

        Returns:
            bool: Whether the pass is long enough, or nothing is in it.
        """
        indices = iter(self.batch_sampler or ())
        skipped = sum(1 for _ in islice(indices, place.seen))
        if 0 < skipped < place.seen:
            place.seen -= skipped
            return False
        place.rest = indices
        return True

    def __iter__(self) -> Iterator:  # type: ignore[override]
        """Run a pass, from the place on that was set."""
        place, self.place = self.place, None
        before = self.seen, self.worker_states
        seen = 0
        workers = self.worker_states if self.persistent_workers else {}
        if place is None:
            batches: Iterator = super().__iter__()
        else:
            now = get_random_states() if place.start_states else None
            batches = self._start(place)
            states = place.states or now
            if states is not None:
                set_random_states(states)
            seen = place.seen
            workers = {w: pickle.dumps(s) for w, s in place.workers.items()}
        for batch in batches:
            if isinstance(batch, _Told):
                if batch.states is None:
                    continue
                workers[batch.worker] = batch.states
                batch = batch.batch
            seen += 1
            # here, since another pass may have begun meanwhile
            self.seen, self.worker_states = seen, workers
            yield batch
        self.seen, self.worker_states = before
        if self.persistent_workers:
            self.worker_states = workers

    def _start(self, place: Place) -> Iterator:
        """Let torch start the pass."""
        own = dict(
            batch_sampler=self.batch_sampler,
            worker_init_fn=self.worker_init_fn,
        )
        lent = dict(own)
        if place.seen:
            if place.rest is None:
                self.skip(place)
            # each worker gets the batches that it would have got
            empty: list[list] = [[]] * (place.seen % max(self.num_workers, 1))
            lent['batch_sampler'] = _Rest(
                own['batch_sampler'], chain(empty, place.rest or ())
            )
        if place.workers:
            lent['worker_init_fn'] = _Restore(
                own['worker_init_fn'], place.workers
            )
        if place.start_states is not None:
            set_random_states(place.start_states)
        # torch lets nobody set the sampler, but needs the other only now
        self.__dict__.update(lent)
        try:
            return super().__iter__()
        finally:
            self.__dict__.update(own)


def make_resumable(loader: DataLoader) -> bool:
    """Let a data loader know its place.

    Args:
        loader (DataLoader): Any; one of torch's own becomes a
            :class:`ResumableLoader` if it draws batches of indices.

    Returns:
        bool: Whether it is one now.
    """
    if isinstance(loader, ResumableLoader):
        return True
    if (
        type(loader) is not DataLoader
        or loader.batch_sampler is None
        or isinstance(loader.dataset, IterableDataset)
    ):
        return False
    if loader.num_workers > 0:
        loader.collate_fn = _CollateAndTell(loader.collate_fn)
    loader.__class__ = ResumableLoader
    vars(loader).update(place=None, seen=0, worker_states={})
    return True


class _Rest:
    """A batch sampler whose first pass is the rest of one."""

    def __init__(self, sampler: Any, rest: Iterator) -> None:
        self._sampler = sampler
        self._rest: Optional[Iterator] = rest

    def __iter__(self) -> Iterator:
        # torch makes two iterators and draws from one
        rest, self._rest = self._rest, None
        yield from self._sampler if rest is None else rest

    def __len__(self) -> int:
        return len(self._sampler)


class _Restore:
    """Start a worker as the host does, then with random states it had."""

    def __init__(self, init: Optional[Callable], workers: dict) -> None:
        self._init = init
        self._workers = workers

    def __call__(self, worker: int) -> None:
        if self._init is not None:
            self._init(worker)
        if worker in self._workers:
            set_random_states(self._workers[worker])


class _Told(NamedTuple):
    """A batch from a worker; it has no states if it is empty."""

    batch: Any
    worker: int
    states: Optional[bytes]  # in bytes torch looks for no tensors to pin


class _CollateAndTell:
    """Collate in a worker, and tell its random states thereafter."""

    def __init__(self, collate: Callable) -> None:
        self._collate = collate

    def __call__(self, samples: Sequence) -> Any:
        worker = get_worker_info()
        if worker is None:
            return self._collate(samples)
        if not samples:
            return _Told(None, worker.id, None)
        batch = self._collate(samples)
        return _Told(batch, worker.id, pickle.dumps(get_random_states()))
