"""Hooks on a real Runner with a toy model."""

import os

import pytest
import torch
from cases import CASES
from mmengine.fileio import get_file_backend
from mmengine.runner import Runner
from torch.utils.data import Dataset

from localsup_mm.engine import (
    AtomicLocalBackend,
    PeakMemoryHook,
    ReconstructionHook,
    reconstruct,
)


class Images(Dataset):
    metainfo = dict(classes=('a', 'b', 'c'))

    def __len__(self):
        return 8

    def __getitem__(self, i):
        generator = torch.Generator().manual_seed(i)
        image = torch.rand(3, 32, 32, generator=generator) * 255
        return dict(inputs=image, data_samples=torch.tensor(i % 3))


def make_runner(work_dir, max_iters=4, checkpoint=None, **kwargs):
    case = CASES['toy']
    local_modules = [
        dict(boundary=name, decoder={}, aux_head=dict(type='ToyHead'))
        for name in case.boundaries
    ]
    return Runner(
        model=dict(
            type='ToyModel',
            backbone=dict(
                type='LocalBackbone',
                backbone=case.backbone,
                local_modules=local_modules,
            ),
        ),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=Images(),
            sampler=dict(type='InfiniteSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=max_iters),
        optim_wrapper=dict(
            type='LocalOptimWrapper',
            optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
        ),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(
                type='SafeCheckpointHook',
                by_epoch=False,
                interval=1,
                **(checkpoint or {}),
            ),
            setup_check=dict(type='SetupCheckHook'),
        ),
        randomness=dict(seed=0),
        default_scope='mmengine',
        experiment_name=f'test_{work_dir.name}',
        **kwargs,
    )


@pytest.fixture
def lazy_neck(monkeypatch):
    """Let the toy model's neck know its width before the optimizer."""
    from cases import ToyModel

    init = ToyModel.__init__

    def fixed(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.neck = torch.nn.Linear(24, 3)

    monkeypatch.setattr(ToyModel, '__init__', fixed)


@pytest.mark.usefixtures('lazy_neck')
def test_old_checkpoint_goes_after_the_new_one_is_there(tmp_path, monkeypatch):
    seen = []
    put = AtomicLocalBackend.put

    def spy(self, obj, path):
        seen.append(sorted(p.name for p in tmp_path.glob('iter_*.pth')))
        put(self, obj, path)

    monkeypatch.setattr(AtomicLocalBackend, 'put', spy)
    make_runner(tmp_path, checkpoint=dict(max_keep_ckpts=1)).train()
    assert seen == [[], ['iter_1.pth'], ['iter_2.pth'], ['iter_3.pth']]
    assert [p.name for p in tmp_path.glob('iter_*.pth')] == ['iter_4.pth']


@pytest.mark.usefixtures('lazy_neck')
def test_peak_memory_is_logged(tmp_path):
    hook = dict(type='PeakMemoryHook', interval=2)
    runner = make_runner(tmp_path, custom_hooks=[hook])
    runner.train()
    history = runner.message_hub.get_scalar('train/peak_memory').data[0]
    assert len(history) == 2
    parameters = sum(p.numel() * 4 for p in runner.model.parameters())
    # parameters, gradients and momentum at least, in MiB
    assert history[-1] > 3 * parameters / 2**20


@pytest.mark.usefixtures('lazy_neck')
def test_reconstruction_is_drawn(tmp_path):
    runner = make_runner(
        tmp_path,
        custom_hooks=[dict(type='ReconstructionHook', interval=3)],
        visualizer=dict(
            type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
        ),
    )
    runner.train()
    names = sorted(p.name for p in tmp_path.rglob('reconstruction_*.png'))
    assert names == ['reconstruction_3.png', 'reconstruction_4.png']
    images = reconstruct(runner.model, torch.rand(2, 3, 32, 32) * 255)
    assert [i.shape for i in images] == [(2, 3, 32, 32)] * 3
    assert all(i.min() >= 0 and i.max() <= 1 for i in images)
    assert runner.model.training


def test_atomic_backend_leaves_the_old_file(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(backend='atomic_local'))
    path = tmp_path / 'a.pth'
    backend.put(b'old', str(path))

    def crash(*args):
        raise OSError

    monkeypatch.setattr(os, 'replace', crash)
    with pytest.raises(OSError):
        backend.put(b'new', str(path))
    assert path.read_bytes() == b'old'


@pytest.mark.usefixtures('lazy_neck')
def test_what_is_not_plain_is_left_out(tmp_path):
    runner = make_runner(tmp_path, max_iters=1)
    runner.message_hub.update_info('function', print)
    runner.train()
    checkpoint = torch.load(tmp_path / 'iter_1.pth', weights_only=True)
    assert 'function' not in checkpoint['message_hub']['runtime_info']
    assert checkpoint['message_hub']['runtime_info']['iter'] == 0


@pytest.mark.parametrize('hook', [PeakMemoryHook, ReconstructionHook])
def test_interval_below_one(hook):
    with pytest.raises(ValueError, match=r'`interval`.*but got 0'):
        hook(interval=0)
