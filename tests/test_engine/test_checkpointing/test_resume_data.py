"""A resumed run equals one that was not interrupted, and reads no more."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    default_collate,
)
from toy_runner import Images, make_runner

from localsup_mm.engine.checkpointing import safe_checkpoint_hook
from localsup_mm.engine.checkpointing.endless_batches import EndlessBatches
from localsup_mm.engine.checkpointing.resumable_data import make_resumable
from localsup_mm.upstream import HostBatches, draw_batches_by

BATCHES = 7  # of two images, in a pass


class AugmentedImages(Images):
    """They draw from all random states, and note which were read."""

    def __init__(self, path):
        self.path = path

    def __len__(self):
        return 2 * BATCHES

    def __getitem__(self, i):
        with self.path.open('a') as file:
            file.write(f'{i} ')
        sample = super().__getitem__(i)
        noise = np.random.rand() + random.random() + torch.rand(())
        sample['inputs'] = sample['inputs'] / 255 + noise / 3
        return sample


@DATA_SAMPLERS.register_module()
class BucketSampler(BatchSampler):
    """Batches of images alike; as hosts' do, it remembers the others."""

    def __init__(self, sampler, batch_size):
        super().__init__(sampler, batch_size, drop_last=False)
        self.buckets = [[], []]

    def __iter__(self):
        for i in self.sampler:
            bucket = self.buckets[i % 2]
            bucket.append(i)
            if len(bucket) == self.batch_size:
                yield bucket[:]
                bucket.clear()


def own_collate(samples):
    batch = default_collate(samples)
    batch['inputs'] += torch.rand(()) / 3
    return batch


@DATA_SAMPLERS.register_module()
class GlobalSampler(RandomSampler):
    """It shuffles by the random states of the process."""

    def __init__(self, dataset, seed):
        super().__init__(dataset)


class DrawInModel(Hook):
    """Training draws too, as dropout does."""

    def after_train_iter(self, runner, *args, **kwargs):
        assert kwargs['data_batch'] is not None
        noise = torch.rand(()) + np.random.rand() + random.random()
        runner.model.neck.bias.data += 0.01 * noise


def by_iter(max_iters):
    return dict(type='IterBasedTrainLoop', max_iters=max_iters)


def by_epoch(max_epochs):
    return dict(type='EpochBasedTrainLoop', max_epochs=max_epochs)


def train(work_dir, loop, workers, persistent=False, loader=None, **kwargs):
    work_dir.mkdir(exist_ok=True)
    runner = make_runner(
        work_dir,
        loop=loop,
        loader=dict(
            dict(
                dataset=AugmentedImages(work_dir / 'read.txt'),
                num_workers=workers,
                persistent_workers=persistent,
            ),
            **(loader or {}),
        ),
        custom_hooks=[DrawInModel(), dict(type='DistSamplerSeedHook')],
        **kwargs,
    )
    runner.train()
    # else workers end, slowly, when the garbage is collected
    runner.train_loop.dataloader_iterator = None
    runner.train_dataloader._iterator = None
    state = runner.model.state_dict()
    return state, (work_dir / 'read.txt').read_text().split()


def assert_equal(found, expected):
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def count_iters(loop):
    return loop.get('max_iters') or BATCHES * loop['max_epochs']


def find_ahead(loop, workers):
    """How many images workers may have read that are not trained on."""
    return 2 * 2 * workers if 'max_iters' in loop else 0


WORKERS = pytest.mark.parametrize(
    ('workers', 'persistent'),
    [(0, False), (2, False), (2, True)],
    ids=['main', 'workers', 'persistent'],
)


@WORKERS
@pytest.mark.parametrize(
    ('loop', 'sampler', 'cut'),
    [
        (by_iter(9), 'InfiniteSampler', 5),
        (by_iter(9), 'InfiniteSampler', 8),
        (by_iter(10), 'DefaultSampler', 8),
        (by_epoch(2), 'DefaultSampler', 7),
        (by_epoch(3), 'DefaultSampler', 10),
    ],
)
def test_resumed_equals_uninterrupted(
    tmp_path, loop, sampler, cut, workers, persistent, monkeypatch
):
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    run = partial(
        train,
        loop=loop,
        workers=workers,
        persistent=persistent,
        loader=dict(sampler=dict(type=sampler, shuffle=True)),
    )
    whole, read = run(tmp_path / 'whole')
    path = str(tmp_path / f'whole/iter_{cut}.pth')
    found, read_again = run(tmp_path / 'cut', load_from=path, resume=True)
    assert_equal(found, whole)
    if workers:
        left = count_iters(loop) - cut
        assert len(read_again) <= 2 * left + find_ahead(loop, workers)
    else:
        assert read_again == read[2 * cut :]


@pytest.mark.parametrize(
    ('loader', 'is_read_again'),
    [
        (dict(batch_sampler=dict(type='BucketSampler')), False),
        (dict(sampler=dict(type='GlobalSampler')), True),
        (dict(collate_fn=dict(type=own_collate)), False),
    ],
    ids=['buckets', 'global random states', 'own collate'],
)
@pytest.mark.parametrize('workers', [0, 2])
def test_any_sampler(tmp_path, loader, is_read_again, workers, monkeypatch):
    monkeypatch.setattr('time.sleep', lambda seconds: None)
    run = partial(train, loop=by_iter(10), workers=workers, loader=loader)
    whole, _ = run(tmp_path / 'whole')
    path = str(tmp_path / 'whole/iter_5.pth')
    found, read_again = run(tmp_path / 'cut', load_from=path, resume=True)
    if not (workers == 0 and is_read_again):
        # there each index is drawn among what the model draws
        assert_equal(found, whole)
    if is_read_again:
        assert len(read_again) >= 2 * 10
    else:
        assert len(read_again) <= 2 * 5 + find_ahead(by_iter(10), workers)


@WORKERS
def test_a_run_from_the_start_equals_the_hosts(
    tmp_path, workers, persistent, monkeypatch
):
    run = partial(
        train, loop=by_iter(4), workers=workers, persistent=persistent
    )
    ours, _ = run(tmp_path / 'ours')
    monkeypatch.setattr(
        safe_checkpoint_hook, 'draw_batches_by', lambda iterator: None
    )
    draw_batches_by(HostBatches)
    theirs, _ = run(tmp_path / 'theirs')
    assert_equal(ours, theirs)


def test_a_checkpoint_without_random_states(tmp_path):
    """The order of the data goes on, at least."""
    run = partial(train, loop=by_iter(6), workers=0)
    _, read = run(tmp_path / 'whole')
    path = tmp_path / 'whole/iter_4.pth'
    checkpoint = torch.load(path)
    del checkpoint['random_states']
    torch.save(checkpoint, path)
    _, again = run(tmp_path / 'cut', load_from=str(path), resume=True)
    assert again == read[8:]


def test_a_checkpoint_without_states_of_workers_is_read_up_to(tmp_path):
    """As releases before this one wrote them."""
    run = partial(train, loop=by_iter(8), workers=2)
    whole, _ = run(tmp_path / 'whole')
    path = tmp_path / 'whole/iter_7.pth'
    checkpoint = torch.load(path)
    del checkpoint['random_states'][0]['data']
    torch.save(checkpoint, path)
    found, again = run(tmp_path / 'cut', load_from=str(path), resume=True)
    assert_equal(found, whole)
    assert len(again) >= 2 * 8


def test_a_pass_of_another_within_a_pass(tmp_path):
    """A hook that draws from the same loader changes no place."""
    loader = DataLoader(AugmentedImages(tmp_path / 'read.txt'), batch_size=2)
    assert make_resumable(loader)
    for i, _ in enumerate(loader):
        assert loader.seen == i + 1
        if i == 2:
            for _ in loader:
                pass
            assert loader.seen == 3
    assert loader.seen == 0


def test_batches_are_skipped_once():
    batches = EndlessBatches(DataLoader(range(8)))
    batches.skip_iter(3)
    assert next(batches) == 3
    batches = EndlessBatches(DataLoader(range(8)))
    batches.resume(3, None, dropped=True)
    batches.skip_iter(3)
    assert next(batches) == 3


@pytest.mark.parametrize('length', [8, 0])
def test_passes_begin_anew(length):
    batches = EndlessBatches(DataLoader(range(length)))
    batches.skip_iter(17)
    if length:
        assert [int(next(batches)) for _ in range(8)] == [*range(1, 8), 0]
    else:
        with pytest.raises(StopIteration):
            next(batches)


def test_a_loader_of_its_own_kind_is_read(tmp_path):
    class Theirs(DataLoader):
        pass

    loader = Theirs(AugmentedImages(tmp_path / 'read.txt'), batch_size=2)
    assert not make_resumable(loader)
    EndlessBatches(loader).resume(3, None, dropped=False)
    assert (tmp_path / 'read.txt').read_text() == '0 1 2 3 4 5 '
