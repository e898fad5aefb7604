"""Local modules trained one after the other, by a real Runner."""

import copy
import itertools
from functools import partial

import numpy as np
import pytest
import torch
import torch.distributed as dist
from asserts import NoStep, assert_equal, train_step, wrap
from cases import CASES, build_model, make_batch
from gloo_processes import run_processes
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import StepLR
from mmengine.registry import DATASETS, HOOKS
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import Dataset

import localsup_mm.models.backbones  # noqa: F401 - registers CIFARResNet
from localsup_mm import LocalOptimWrapper, LocalStep
from localsup_mm.engine import LocalDistributedDataParallel, SingleModuleStep
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
        modules = runner.model.modules()
        assert not any('forward' in vars(m) for m in modules)

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
        assert changed == expected, epoch


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
    assert whole.optim_wrapper.make_step is LocalStep
    # momentum of the last phase alone
    own = {p for n, p in whole.model.named_parameters() if owner(n) == K - 1}
    assert set(whole.optim_wrapper.optimizer.state) == own


def test_resumed_equals_uninterrupted(tmp_path):
    """In the middle of a phase and at the start of one."""
    whole = make_runner(tmp_path / 'whole', flips=True)
    whole.train()
    for epoch in (EPOCHS, EPOCHS + 1):
        path = str(tmp_path / 'whole' / f'epoch_{epoch}.pth')
        runner = make_runner(
            tmp_path / f'from_{epoch}',
            load_from=path,
            resume=True,
            flips=True,
        )
        runner.train()
        assert_equal(runner.model.state_dict(), whole.model.state_dict())
        done = epoch * ITERS
        assert spy_of(runner).losses == spy_of(whole).losses[done:]
        assert spy_of(runner).lrs == spy_of(whole).lrs[done:]


def test_accumulation_ends_with_the_phase(tmp_path):
    runner = make_runner(
        tmp_path,
        optim_wrapper=dict(
            type='LocalAmpOptimWrapper',
            accumulative_counts=2,
            clip_grad=dict(max_norm=1.0),
            optimizer=SGD,
        ),
        train_cfg=dict(max_epochs=1),
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
        wrapper.make_step = partial(SingleModuleStep, only=k)
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


def test_an_exception_leaves_nothing():
    model = build_model(CASES['swin'])
    wrapper = wrap(model)
    freeze_all_but(model, 1)
    wrapper.make_step = partial(SingleModuleStep, only=1)
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


def check_training(rank: int, work_dir: str) -> None:
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

    runner.model = MMDistributedDataParallel(runner.model.module)
    with pytest.raises(TypeError, match='got MMDistributedDataParallel'):
        runner.train_loop.run()


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
            alone_wrapper.make_step = partial(SingleModuleStep, only=k)
            step(alone, alone_wrapper, batch)
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        freeze_all_but(model.module, k)
        wrapper.make_step = partial(SingleModuleStep, only=k)
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
    run_processes(2, check_training, str(tmp_path))
