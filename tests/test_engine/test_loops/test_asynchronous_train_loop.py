"""Local modules trained one after the other, by a real Runner."""

import contextlib
import copy
import itertools
import os
import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from asserts import NoStep, train_step, wrap
from cases import CASES, build_model, make_batch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import StepLR
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader, Dataset

import localsup_mm.models.backbones  # noqa: F401 - registers CIFARResNet
from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import FeatureCache, LocalDistributedDataParallel
from localsup_mm.supervision import local_parameters

K, EPOCHS, ITERS = 3, 2, 3
SGD = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-3)
NAMES = itertools.count()


@DATASETS.register_module()
class TinyImages(Dataset):
    """Noise of two classes; flipped at random."""

    def __init__(self, length: int = 4 * ITERS, flips: bool = False) -> None:
        generator = torch.Generator().manual_seed(5)
        self.images = torch.randint(
            0, 256, (length, 3, 16, 16), generator=generator, dtype=torch.uint8
        )
        self.flips = flips
        self.metainfo = dict(classes=('even', 'odd'))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        image = self.images[index]
        if self.flips and np.random.rand() < 0.5:
            image = image.flip(2)
        return dict(
            inputs=image, data_samples=DataSample().set_gt_label(index % 2)
        )


@HOOKS.register_module()
class Spy(Hook):
    """Notes states, learning rates, losses and who ran."""

    def __init__(self) -> None:
        self.states, self.lrs, self.losses, self.logged = [], [], [], []
        self.validated, self.ran = [], [set()]

    def before_train(self, runner: Runner) -> None:
        for name, module in runner.model.named_modules():
            module.register_forward_hook(
                lambda m, args, output, name=name: self.ran[-1].add(name)
            )

    def before_train_epoch(self, runner: Runner) -> None:
        self.note(runner)
        self.ran.append(set())

    def before_train_iter(self, runner, batch_idx, data_batch) -> None:
        self.lrs.append(runner.optim_wrapper.get_lr()['lr'][0])

    def after_train_iter(self, runner, batch_idx, data_batch, outputs) -> None:
        self.losses.append(outputs['loss'].item())
        scalars = runner.message_hub.log_scalars
        self.logged.append({k[6:] for k in scalars if k.startswith('train/')})
        assert all(m.training for m in runner.model.modules())
        modules = dict(runner.model.named_modules())
        modules.pop('data_preprocessor', None)  # hands on with a cache
        assert not any('forward' in vars(m) for m in modules.values())

    def after_train(self, runner: Runner) -> None:
        self.note(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        self.ran.append(set())

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        assert 0 <= metrics['accuracy/top1'] <= 100
        self.validated.append(runner.epoch)

    def note(self, runner: Runner) -> None:
        state = runner.model.state_dict()
        self.states.append(copy.deepcopy(dict(state)))


def local_module(boundary: str) -> dict:
    return dict(
        boundary=boundary,
        decoder=dict(type='ReconstructionDecoder', channels=(4,)),
        aux_neck=dict(type='ConvPool', num_convs=1),
        aux_head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=2,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )


def make_runner(work_dir, flips=False, **kwargs) -> Runner:
    loader = dict(
        batch_size=4,
        num_workers=0,
        dataset=dict(type='TinyImages', flips=flips),
        sampler=dict(
            type=kwargs.pop('sampler', 'DefaultSampler'), shuffle=True
        ),
    )
    train_cfg = dict(type='AsynchronousTrainLoop', max_epochs=EPOCHS)
    train_cfg.update(kwargs.pop('train_cfg', {}))
    backbone = dict(
        type='LocalBackbone',
        backbone=dict(type='CIFARResNet', depth=8, base_channels=8),
        local_modules=[local_module('layer1.0'), local_module('layer2.0')],
    )
    backbone.update(kwargs.pop('backbone', {}))
    cfg = dict(
        model=dict(
            type='ImageClassifier',
            data_preprocessor=dict(mean=[127.0] * 3, std=[64.0] * 3),
            backbone=backbone,
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=2, in_channels=32),
        ),
        work_dir=str(work_dir),
        train_dataloader=loader,
        val_dataloader=dict(
            loader, sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        train_cfg=train_cfg,
        val_cfg={},
        val_evaluator=dict(type='Accuracy', topk=(1,)),
        optim_wrapper=dict(type='LocalOptimWrapper', optimizer=SGD),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=2),
            dict(type='StepLR', step_size=1, gamma=0.5),
        ],
        default_hooks=dict(
            checkpoint=dict(type='SafeCheckpointHook', interval=1),
            setup_check=dict(type='SetupCheckHook'),
        ),
        custom_hooks=[dict(type='Spy')],
        default_scope='mmpretrain',
        randomness=dict(seed=0),
        log_level='ERROR',
        experiment_name=f'asynchronous_{next(NAMES)}',
    )
    cfg.update(kwargs)
    return Runner(**cfg)


def spy_of(runner: Runner) -> Spy:
    return next(h for h in runner.hooks if isinstance(h, Spy))


def assert_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    runner = make_runner(tmp_path_factory.mktemp('whole'))
    runner.train()
    return runner


def owner(name: str) -> int:
    """The local module, by its place in the depth-8 ResNet."""
    if 'local_modules.' in name:
        return int(name.split('local_modules.')[1][0])
    if name.startswith(('backbone.layer3', 'head')):
        return 2
    return 1 if name.startswith('backbone.layer2') else 0


def test_a_phase_changes_its_local_module_alone(whole):
    states = spy_of(whole).states
    assert len(states) == K * EPOCHS + 1
    for epoch, (before, after) in enumerate(itertools.pairwise(states)):
        changed = {n for n in before if not before[n].equal(after[n])}
        expected = {n for n in before if owner(n) == epoch // EPOCHS}
        # the image's normalization is a buffer of the decoder
        constant = {n for n in expected if n.endswith(('.mean', '.std'))}
        assert changed == expected - constant, epoch


def test_what_lies_behind_does_not_run(whole):
    _, *ran = spy_of(whole).ran  # by epoch, validations among the last
    assert any(n.startswith('backbone.layer1') for n in ran[0])
    assert not any(n.startswith('backbone.layer2') for n in ran[0])
    assert any(n.startswith('backbone.layer2') for n in ran[2])
    assert not any(n.startswith(('backbone.layer3', 'head')) for n in ran[2])
    assert 'head' in ran[4]
    aux_nets = [{owner(n) for n in r if 'local_modules' in n} for r in ran]
    assert aux_nets[::2] == [{0}, {1}, set(), set()]


def test_schedules_and_log_begin_anew(whole):
    spy = spy_of(whole)
    (lrs,) = {tuple(lrs) for lrs in zip(*[iter(spy.lrs)] * EPOCHS * ITERS)}
    assert lrs[:2] == pytest.approx((0.01, 0.1))
    assert len(set(lrs)) > 2
    assert [s.end for s in whole.param_schedulers] == [2, EPOCHS]
    losses = [{n for n in names if 'loss' in n} for names in spy.logged]
    assert losses[-1] == {'loss'}
    for k in range(K - 1):
        parts = {f'local_{k}.{n}' for n in ('loss', 'loss_recon', 'loss_task')}
        assert losses[k * EPOCHS * ITERS] == {'loss', *parts}
    assert whole.max_iters == K * EPOCHS * ITERS == len(spy.losses)


def test_validation_is_in_the_last_phase(whole):
    first = (K - 1) * EPOCHS + 1
    assert spy_of(whole).validated == list(range(first, K * EPOCHS + 1))


def test_nothing_is_left(whole):
    assert all(p.requires_grad for p in whole.model.parameters())
    assert whole.optim_wrapper.only is None
    # momentum of the last phase alone
    own = {p for n, p in whole.model.named_parameters() if owner(n) == K - 1}
    assert set(whole.optim_wrapper.optimizer.state) == own


@pytest.mark.parametrize('cache', [False, True])
def test_resumed_equals_uninterrupted(tmp_path, cache):
    """In the middle of a phase and at the start of one."""
    kwargs = dict(flips=True, train_cfg=dict(cache=cache))
    whole = make_runner(tmp_path / 'whole', **kwargs)
    whole.train()
    for epoch in (EPOCHS, EPOCHS + 1):
        path = str(tmp_path / 'whole' / f'epoch_{epoch}.pth')
        runner = make_runner(
            tmp_path / f'from_{epoch}', load_from=path, resume=True, **kwargs
        )
        runner.train()
        assert_equal(runner.model.state_dict(), whole.model.state_dict())
        done = epoch * ITERS
        assert spy_of(runner).losses == spy_of(whole).losses[done:]
        assert spy_of(runner).lrs == spy_of(whole).lrs[done:]


def test_cached_equals_computed(whole, tmp_path):
    runner = make_runner(
        tmp_path, train_cfg=dict(cache=True), log_level='INFO'
    )
    runner.train()
    assert_equal(runner.model.state_dict(), whole.model.state_dict())
    assert spy_of(runner).losses == spy_of(whole).losses
    ran = spy_of(runner).ran[1 + EPOCHS]
    assert 'backbone.layer1.0' in ran  # which hands on the features
    assert 'backbone.layer1.0.conv1' not in ran
    (log,) = tmp_path.rglob('*.log')
    # 8 x 16 x 16 features, 3 x 16 x 16 inputs, 4 bytes each, of 12 samples
    assert 'The cache takes 0.1 MiB' in log.read_text()
    assert "features at 'layer2.0', inputs and labels of 12" in log.read_text()


def test_accumulation_ends_with_the_phase(tmp_path):
    runner = make_runner(
        tmp_path,
        optim_wrapper=dict(
            type='LocalAmpOptimWrapper',
            accumulative_counts=2,
            clip_grad=dict(max_norm=1.0),
            optimizer=SGD,
        ),
        train_cfg=dict(max_epochs=1, cache=True),
        val_cfg=None,
        val_dataloader=None,
        val_evaluator=None,
    )
    runner.train()
    # 3 iterations: two accumulate, and the last one counts alone
    assert runner.optim_wrapper.inner_count == ITERS
    spy = spy_of(runner)
    for phase, (before, after) in enumerate(itertools.pairwise(spy.states)):
        changed = {n for n in before if not before[n].equal(after[n])}
        assert {owner(n) for n in changed} == {phase}


def freeze_all_but(model, k) -> set:
    """Names of the parameters of local module k."""
    own = [set(ps) for ps in local_parameters(model).values()]
    every = {p for p in model.parameters() if p.requires_grad}
    own.append(every.difference(*own))
    for parameter in every:
        parameter.requires_grad_(parameter in own[k])
    return {n for n, p in model.named_parameters() if p in own[k]}


@pytest.mark.parametrize(
    'name', ['toy', 'resnet_v1d_with_cp', 'resnet_mmdet_frozen', 'swin', 'vit']
)
def test_a_step_trains_one_local_module(name):
    case = CASES[name]
    simultaneous = build_model(case)
    train_step(simultaneous, LocalOptimWrapper(optimizer=NoStep(simultaneous)))
    idle = {n for n, p in simultaneous.named_parameters() if p.grad is None}
    built = build_model(case)
    for k in range(len(case.boundaries) + 1):
        model = copy.deepcopy(built)
        wrapper = LocalOptimWrapper(optimizer=NoStep(model))
        own = freeze_all_but(model, k)
        model.backbone.local_supervision.train(model.backbone.training)
        modes = [m.training for m in model.modules()]
        buffers = {n: b.clone() for n, b in model.named_buffers()}
        wrapper.only = k
        loss = train_step(model, wrapper)['loss']
        gradients = {
            n: p.grad
            for n, p in model.named_parameters()
            if p.grad is not None
        }
        assert set(gradients) == own - idle
        assert modes == [m.training for m in model.modules()]
        for n, buffer in model.named_buffers():
            if not buffer.equal(buffers[n]):
                assert n.rpartition('.')[0] + '.weight' in own, n
        if k == 0:
            expected = dict(simultaneous.named_parameters())
            for n, grad in gradients.items():
                assert grad.equal(expected[n].grad), n
            assert loss.item() > 0


class Images(Dataset):
    """For the backbones of the table; the first two are their batch."""

    def __init__(self, length: int) -> None:
        inputs, labels = make_batch()
        others = torch.rand(length - 2, 3, 64, 64) * 255
        self.inputs = torch.cat([inputs, others])
        self.labels = torch.cat([labels, labels[:1].expand(length - 2)])

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.inputs[index], data_samples=self.labels[index])


CACHEABLE = {
    'vit': CASES['vit'],
    'hrnet': CASES['hrnet'],
    'swin': CASES['swin']._replace(
        backbone=dict(CASES['swin'].backbone, out_indices=(3,))
    ),
    'densenet': CASES['densenet']._replace(
        backbone=dict(CASES['densenet'].backbone, out_indices=3)
    ),
}


@pytest.mark.parametrize('name', CACHEABLE)
def test_cached_gradients_of_other_backbones(name):
    case = CACHEABLE[name]
    built = build_model(case)
    for k in range(1, len(case.boundaries) + 1):
        gradients = []
        for is_cached in (False, True):
            model = copy.deepcopy(built)
            wrapper = LocalOptimWrapper(optimizer=NoStep(model))
            own = freeze_all_but(model, k)
            wrapper.only = k
            skipping = contextlib.nullcontext()
            if is_cached:
                cache = FeatureCache(
                    model, model.backbone, case.boundaries[k - 1]
                )
                cache.fill(DataLoader(Images(3), batch_size=2))
                model.train()
                _, feats = cache.collate([cache[0], cache[1]])
                skipping = cache.skip(feats)
            with skipping:
                train_step(model, wrapper)
            gradients.append(
                {n: p.grad for n, p in model.named_parameters() if n in own}
            )
        for n, grad in gradients[0].items():
            assert (grad is None) == (gradients[1][n] is None)
            assert grad is None or grad.equal(gradients[1][n]), n


@pytest.mark.parametrize('name', ['toy', 'vit_dense', 'resnext'])
def test_other_outputs_cannot_be_cached(name):
    case = CASES[name]
    model = build_model(case)
    hooks = copy.copy(torch.nn.modules.module._global_forward_hooks)
    cache = FeatureCache(model, model.backbone, case.boundaries[-1])
    with pytest.raises(ValueError, match=rf'{case.boundaries[-1]!r}, but got'):
        cache.fill(DataLoader(Images(2), batch_size=2))
    assert torch.nn.modules.module._global_forward_hooks == hooks
    assert not any('forward' in vars(m) for m in model.modules())


def test_images_of_two_sizes_cannot_be_cached():
    model = build_model(CASES['hrnet'])
    cache = FeatureCache(model, model.backbone, 'layer1.0')
    batches = [
        dict(
            inputs=torch.rand(1, 3, size, 64),
            data_samples=torch.zeros(1).long(),
        )
        for size in (64, 96)
    ]
    loader = DataLoader(batches, batch_size=None)
    with pytest.raises(ValueError, match=r'got \(96, 64\) after \(64, 64\)'):
        cache.fill(loader)


def test_an_exception_leaves_nothing():
    model = build_model(CASES['swin'])
    wrapper = wrap(model)
    freeze_all_but(model, 1)
    wrapper.only = 1
    modes = [m.training for m in model.modules()]
    head = model.backbone.local_supervision.local_modules[1].aux_head.fc
    first = model.backbone.patch_embed
    for module in (head, first):  # behind the boundary, and before it
        handle = module.register_forward_pre_hook(lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_step(model, wrapper)
        handle.remove()
        assert modes == [m.training for m in model.modules()]
        assert not any('forward' in vars(m) for m in model.modules())
        assert model.backbone.local_supervision.step is None
    train_step(model, wrapper)


@pytest.mark.parametrize(
    ('changes', 'error', 'match'),
    [
        (
            dict(backbone=dict(local_modules=[])),
            ValueError,
            '1 LocalBackbone and 0 local_modules',
        ),
        (
            dict(optim_wrapper=dict(type='OptimWrapper', optimizer=SGD)),
            TypeError,
            'but got OptimWrapper',
        ),
        (
            dict(train_cfg=dict(max_epochs=None)),
            ValueError,
            'should have max_epochs',
        ),
        (
            dict(train_cfg=dict(max_iters=9)),
            ValueError,
            "but got {'max_iters': 9}",
        ),
        (dict(sampler='InfiniteSampler'), ValueError, 'got InfiniteSampler'),
        (
            dict(
                train_cfg=dict(cache=True),
                backbone=dict(
                    backbone=dict(
                        type='CIFARResNet',
                        depth=8,
                        base_channels=8,
                        out_indices=(0, 2),
                    )
                ),
            ),
            ValueError,
            r'got True with outputs \(0,\)',
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, error, match):
    with pytest.raises(error, match=match):
        make_runner(tmp_path, **changes).train()


def test_a_built_schedule_is_refused(tmp_path):
    runner = make_runner(tmp_path)
    optimizer = torch.optim.SGD(runner.model.parameters(), lr=0.1)
    runner.param_schedulers = [StepLR(optimizer, step_size=1)]
    with pytest.raises(TypeError, match=r'should be a config.*StepLR'):
        runner.train()


def test_resume_within_an_epoch_is_refused(tmp_path, whole):
    checkpoint = torch.load(f'{whole.work_dir}/epoch_3.pth')
    checkpoint['meta']['iter'] += 1
    path = str(tmp_path / 'cut.pth')
    torch.save(checkpoint, path)
    runner = make_runner(tmp_path, load_from=path, resume=True)
    with pytest.raises(ValueError, match='epoch 3 and iteration 10'):
        runner.train()


def worker(rank: int, port: int, work_dir: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        WORLD_SIZE='2',
        LOCAL_RANK=str(rank),
    )
    dist.init_process_group('gloo', rank=rank, world_size=2)
    check_averages(rank)

    runner = make_runner(
        work_dir,
        launcher='pytorch',
        cfg=dict(model_wrapper_cfg=dict(type='LocalDistributedDataParallel')),
    )
    runner.train()
    state = runner.model.module.state_dict()
    for name, value in state.items():
        others = [torch.empty_like(value) for _ in range(2)]
        dist.all_gather(others, value)
        # a norm keeps the statistics of its process, but for frozen ones
        if owner(name) < K - 1 or not name.endswith(('_mean', '_var')):
            assert others[0].equal(others[1]), name

    runner.train_loop.cache = True
    with pytest.raises(ValueError, match=r'distributed training.* got True'):
        runner.train_loop.run()
    runner.model = MMDistributedDataParallel(runner.model.module)
    with pytest.raises(TypeError, match='got MMDistributedDataParallel'):
        runner.train_loop.run()
    dist.barrier()
    dist.destroy_process_group()


def check_averages(rank: int) -> None:
    """Gradients are the mean of what each process alone would get."""
    built = build_model(CASES['toy'])
    batches = [make_batch(), [t.flip(0) for t in make_batch(size=96)]]
    model = LocalDistributedDataParallel(copy.deepcopy(built))
    wrapper = LocalOptimWrapper(optimizer=NoStep(model.module))
    for k in range(3):
        expected = [copy.deepcopy(built), copy.deepcopy(built)]
        for alone, batch in zip(expected, batches):
            own = freeze_all_but(alone, k)
            alone_wrapper = LocalOptimWrapper(optimizer=NoStep(alone))
            alone_wrapper.only = k
            step(alone, alone_wrapper, batch)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        freeze_all_but(model.module, k)
        wrapper.only = k
        for _ in range(2):  # the reducer goes on
            for parameter in model.parameters():
                parameter.grad = None
            step(model, wrapper, batches[rank])
        parameters = [dict(m.named_parameters()) for m in expected]
        for n, parameter in model.module.named_parameters():
            assert (n in own) == (parameter.grad is not None), n
            if n in own:
                mean = sum(p[n].grad for p in parameters) / 2
                torch.testing.assert_close(parameter.grad, mean)


def step(model, wrapper, batch) -> None:
    inputs, labels = batch
    model.train_step(dict(inputs=inputs, data_samples=labels), wrapper)


def test_two_processes(tmp_path):
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
    mp.spawn(worker, args=(port, str(tmp_path)), nprocs=2)
