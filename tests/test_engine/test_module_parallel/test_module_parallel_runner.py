"""A Runner of K processes leaves what one of a single process leaves."""

import copy
import json
from pathlib import Path

import pytest
import torch
from asserts import assert_equal
from gloo_processes import run_processes
from mmengine.evaluator import BaseMetric
from mmengine.registry import METRICS, MODELS
from mmengine.runner import Runner
from toy_runner import Images, ToyModelOfKnownWidth, make_runner

from localsup_mm.engine import ModuleParallelRunner

K = 3
ITERS = 6
SCALARS = ('loss', 'local_0.loss_recon', 'local_1.loss_ce')


@MODELS.register_module()
class PredictingToy(ToyModelOfKnownWidth):
    """It predicts by the mean of its last features."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode != 'predict':
            return super().forward(inputs, data_samples, mode)
        feats = super().forward(inputs)
        return [dict(score=f.mean().item()) for f in feats[-1]]


@METRICS.register_module()
class MeanScore(BaseMetric):
    """The mean of all images, which processes share."""

    def process(self, data_batch, data_samples):
        self.results += [sample['score'] for sample in data_samples]

    def compute_metrics(self, results):
        assert len(results) == len(Images())
        return dict(score=sum(results) / len(results))


def train(work_dir, runner=ModuleParallelRunner, **settings):
    settings.setdefault('optim_wrapper', {})
    settings['optim_wrapper'].setdefault(
        'optimizer', dict(type='SGD', lr=1e-6, momentum=0.9)
    )
    loader = dict(
        batch_size=2,
        dataset=Images(),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
    )
    built = make_runner(
        work_dir,
        runner=runner,
        max_iters=settings.pop('max_iters', ITERS),
        val_dataloader=loader,
        val_cfg={},
        val_evaluator=dict(type='MeanScore'),
        param_scheduler=dict(
            type='LinearLR', start_factor=0.1, end=4, by_epoch=False
        ),
        model_type='PredictingToy',
        **settings,
    )
    built.train()
    return built


def train_alone(work_dir, **settings):
    return train(work_dir, Runner, **settings)


def train_in_parallel(rank, work_dir, settings):
    train(Path(work_dir), launcher='pytorch', **settings)


def read(work_dir, iteration):
    return torch.load(work_dir / f'iter_{iteration}.pth', weights_only=True)


def read_log(work_dir):
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]


def assert_same(found, expected):
    """Two checkpoints but for times and random states."""
    assert_equal(found['state_dict'], expected['state_dict'])
    states = [c['optimizer']['state'] for c in (found, expected)]
    assert states[0].keys() == states[1].keys()
    for index, state in states[1].items():
        assert_equal(states[0][index], state)
    assert found['meta']['iter'] == expected['meta']['iter']
    assert found['param_schedulers'] == expected['param_schedulers']


LOOPS = {
    'iterations': dict(
        loop=dict(type='IterBasedTrainLoop', max_iters=ITERS, val_interval=3),
        auto_scale_lr=dict(enable=True, base_batch_size=1),
    ),
    'epochs': dict(
        loop=dict(type='EpochBasedTrainLoop', max_epochs=2),
        loader=dict(sampler=dict(type='DefaultSampler', shuffle=True)),
        custom_hooks=[dict(type='EMAHook'), dict(type='SyncBuffersHook')],
    ),
}


@pytest.mark.parametrize('name', LOOPS)
def test_training_is_that_of_one_process(tmp_path, name):
    alone, parallel = tmp_path / 'alone', tmp_path / 'parallel'
    train_alone(alone, **LOOPS[name])
    run_processes(K, train_in_parallel, str(parallel), LOOPS[name])
    for iteration in (2, ITERS):
        assert_same(read(parallel, iteration), read(alone, iteration))
        if name == 'epochs':
            states = [
                read(path, iteration)['ema_state_dict']
                for path in (parallel, alone)
            ]
            assert_equal(*states)
    logs = [read_log(path) for path in (parallel, alone)]
    scores = [[r['score'] for r in log if 'score' in r] for log in logs]
    assert scores[0] == pytest.approx(scores[1]) and len(scores[0]) == 2
    assert set(SCALARS) <= logs[0][-1 if 'loss' in logs[0][-1] else -2].keys()


def test_best_checkpoint_of_a_validation(tmp_path):
    """The average is scored, and both are saved, with none saved before."""
    alone, parallel = tmp_path / 'alone', tmp_path / 'parallel'
    settings = dict(
        LOOPS['iterations'],
        checkpoint=dict(interval=100, save_best='score', rule='less'),
        custom_hooks=[dict(type='EMAHook', momentum=0.5)],
    )
    train_alone(alone, **settings)
    run_processes(K, train_in_parallel, str(parallel), settings)
    scores = [
        [r['score'] for r in read_log(path) if 'score' in r]
        for path in (parallel, alone)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert scores[1][0] != pytest.approx(scores[1][1], rel=1e-3)
    (best,) = (path.name for path in alone.glob('best*.pth'))
    found, expected = (
        torch.load(path / best, weights_only=True)
        for path in (parallel, alone)
    )
    for name in 'state_dict', 'ema_state_dict':
        assert_equal(found[name], expected[name])


def test_reconstructions_are_those_of_one_process(tmp_path):
    alone, parallel = tmp_path / 'alone', tmp_path / 'parallel'
    settings = dict(
        custom_hooks=[dict(type='ReconstructionHook', interval=4)],
        visualizer=dict(
            type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]
        ),
    )
    train_alone(alone, **copy.deepcopy(settings))
    run_processes(K, train_in_parallel, str(parallel), settings)
    found, expected = (
        {path.name: path.read_bytes() for path in folder.rglob('recon*.png')}
        for folder in (parallel, alone)
    )
    assert found == expected
    assert sorted(found) == ['reconstruction_4.png', 'reconstruction_6.png']


def test_a_single_process_trains_as_ever(tmp_path):
    """One that a launcher has started, too."""
    alone, launched = tmp_path / 'alone', tmp_path / 'launched'
    cfg = dict(model_wrapper_cfg=dict(type='LocalDistributedDataParallel'))
    train_alone(alone)
    run_processes(1, train_in_parallel, str(launched), dict(cfg=cfg))
    assert_same(read(launched, ITERS), read(alone, ITERS))


def test_a_resumed_training_is_exact(tmp_path):
    """In as many processes, and in one."""
    alone, parallel = tmp_path / 'alone', tmp_path / 'parallel'
    settings = LOOPS['iterations']
    train_alone(alone, **settings)
    first = dict(max_iters=3, auto_scale_lr=settings['auto_scale_lr'])
    run_processes(K, train_in_parallel, str(parallel), first)
    resumed = dict(
        settings, load_from=str(parallel / 'iter_3.pth'), resume=True
    )
    train_alone(tmp_path / 'again', **resumed)
    assert_same(read(tmp_path / 'again', ITERS), read(alone, ITERS))
    run_processes(K, train_in_parallel, str(parallel), resumed)
    assert_same(read(parallel, ITERS), read(alone, ITERS))
