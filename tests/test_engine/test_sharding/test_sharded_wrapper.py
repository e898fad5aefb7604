"""Processes that share parameters train what one process does."""

import copy
import sys

import pytest
import torch
import torch.distributed as dist
from asserts import assert_close, assert_equal
from cases import CASES, build_model
from commands import forget_runners
from gloo_processes import run_processes
from torch.profiler import profile
from toy_runner import make_runner
from union_cases import (
    FEATURES,
    NUM_IMAGES,
    assert_same,
    make_batch,
    make_model,
    record,
    train,
)

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import LocalFullyShardedDataParallel
from localsup_mm.engine.sharding import shard_model
from localsup_mm.supervision import find_supervised_backbones
from localsup_mm.upstream import find_fully_shard

needs_fully_shard = pytest.mark.skipif(
    find_fully_shard() is None, reason='this torch has no fully_shard'
)

# all processes have to use the same parameters, and have no copy of a model
ALONE = [(f,) for f in FEATURES if f not in ('unused', 'ema')]
PAIRS = [
    ('recompute', 'context'),
    ('recompute', 'accumulate'),
    ('context', 'momentum'),
    ('momentum', 'step_each'),
    ('pyramid', 'clip'),
    ('amp', 'accumulate'),
    ('freeze', 'paramwise'),
]
OF_FOUR = [(), ('context',), ('momentum', 'step_each'), ('pyramid', 'clip')]
WRAPPER = dict(type='LocalFullyShardedDataParallel')
ADAM = dict(optimizer=dict(type='AdamW', lr=1e-3))


@pytest.fixture(scope='module')
def of_one_process(tmp_path_factory):
    path = tmp_path_factory.mktemp('one') / 'trained.pt'
    ways = [(), *ALONE, *PAIRS]
    torch.save({way: train(way) for way in ways}, path)
    return path


def check_ways(rank, number, path):
    for way, expected in torch.load(path, weights_only=False).items():
        if number > 2 and way not in OF_FOUR:
            continue
        found = train(way, LocalFullyShardedDataParallel, rank, number)
        assert_same(found, expected, way)
    check_reduced_at_once(rank, number)
    check_gradients_are_looked_at(rank, number)
    check_bytes(number)


@needs_fully_shard
@pytest.mark.slow
@pytest.mark.parametrize('number', [2, 4])
def test_equals_one_process(of_one_process, number):
    run_processes(number, check_ways, number, of_one_process)


def prepare(way=()):
    model = LocalFullyShardedDataParallel(make_model(way))
    optimizer = torch.optim.AdamW(model.parameters())
    return model, LocalOptimWrapper(optimizer=optimizer)


def train_step(model, wrapper, rank, number):
    size = NUM_IMAGES // number
    part = slice(rank * size, (rank + 1) * size)
    inputs, labels = make_batch((), 0)
    model.train_step(
        dict(inputs=inputs[part], data_samples=labels[part]), wrapper
    )


def check_reduced_at_once(rank, number):
    """Gradients are on their way before the next local module runs."""
    model, wrapper = prepare()
    blocks = model.module.backbone
    record('second module', blocks[2], blocks[3])
    record('last module', blocks[4], blocks[4])
    train_step(model, wrapper, rank, number)
    with profile() as trace:
        train_step(model, wrapper, rank, number)
    found = {}
    for event in trace.events():
        found.setdefault(event.name, []).append(event.time_range)
    reduced = [r.end for r in found['c10d::_reduce_scatter_base_']]
    (second,), (last,) = found['second module'], found['last module']
    before = sum(end < second.start for end in reduced)
    between = sum(second.end < end < last.start for end in reduced)
    behind = sum(end > last.end for end in reduced)
    assert before and between and behind
    assert before + between + behind == len(reduced)


def check_gradients_are_looked_at(rank, number):
    """Once for each local module, when there are gradients of shards."""
    model = LocalFullyShardedDataParallel(make_model(()))
    wrapper = LocalOptimWrapper(
        optimizer=torch.optim.AdamW(model.parameters()), accumulative_counts=2
    )
    wrapper.initialize_count_status(model, 0, 4)
    (backbone,) = find_supervised_backbones(model)
    local_modules = backbone.local_supervision.local_modules
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            'localsup_mm.engine.local_backward.check_gradients',
            lambda module, parameters: seen.append(module.name),
        )
        for expected in (0, 1, 1, 1):
            train_step(model, wrapper, rank, number)
            assert seen == [m.name for m in local_modules] * expected


def check_bytes(number):
    """A process holds its part of each, and no more than a row of padding."""
    model, wrapper = prepare()
    train_step(model, wrapper, 0, 1)
    parameters = dict(model.module.named_parameters())
    held, largest = 0, 0
    for parameter in parameters.values():
        state = wrapper.optimizer.state[parameter]
        kinds = [parameter, state['exp_avg'], state['exp_avg_sq']]
        held += sum(t.to_local().nbytes for t in kinds)
        rows = -(-len(parameter) // number)
        largest += 3 * rows * parameter[0].numel() * parameter.itemsize
    assert held <= largest


def train_by_runner(folder, max_iters, wrapper=WRAPPER, **kwargs):
    runner = make_runner(
        folder,
        max_iters=max_iters,
        launcher='pytorch',
        cfg=dict(model_wrapper_cfg=wrapper),
        optim_wrapper=ADAM,
        **kwargs,
    )
    runner.train()
    forget_runners()
    dist.barrier()  # the first process has written it
    return torch.load(folder / f'iter_{max_iters}.pth', weights_only=True)


def assert_same_checkpoint(found, expected, check=assert_equal):
    check(found['state_dict'], expected['state_dict'])
    found, expected = found['optimizer'], expected['optimizer']
    assert found['param_groups'] == expected['param_groups']
    assert found['state'].keys() == expected['state'].keys()
    for index, state in expected['state'].items():
        check(found['state'][index], state)


def check_checkpoints(rank, folder):
    """They are ordinary ones: resumed by both wrappers, from either."""
    replicated = dict(type='LocalDistributedDataParallel')
    expected = train_by_runner(folder / 'replicated', 4, replicated)
    whole = train_by_runner(folder / 'sharded', 4)
    assert_same_checkpoint(whole, expected, assert_close)

    train_by_runner(folder / 'resumed', 2)
    found = train_by_runner(folder / 'resumed', 4, resume=True)
    assert_same_checkpoint(found, whole)

    for source, wrapper in [('sharded', replicated), ('replicated', WRAPPER)]:
        found = train_by_runner(
            folder / f'from_{source}',
            4,
            wrapper,
            load_from=str(folder / source / 'iter_2.pth'),
            resume=True,
        )
        assert_same_checkpoint(found, expected, assert_close)
    check_init()
    check_refused()


def check_init():
    """Weights are kept until they are drawn, and those of one process."""
    states = []
    for wrap in (LocalFullyShardedDataParallel, torch.nn.Identity):
        bare = build_model(CASES['resnet_v1d_with_cp'])
        wrap(bare)
        states.append({n: v.clone() for n, v in bare.state_dict().items()})
        torch.manual_seed(0)
        bare.init_weights()
        states.append(bare.state_dict())
    kept, drawn, *expected = states
    assert_equal(kept, expected[0])
    assert_equal(drawn, expected[1])
    assert any(not kept[name].equal(value) for name, value in drawn.items())


def check_refused():
    model, _ = prepare()
    with pytest.raises(ValueError, match='no EMAHook with LocalFully'):
        copy.deepcopy(model.module)
    bare = build_model(CASES['toy'])
    bare.scale = torch.nn.Parameter(torch.ones(()))
    with pytest.raises(ValueError, match=r"one dim.* 'scale' with none"):
        LocalFullyShardedDataParallel(bare)


@needs_fully_shard
@pytest.mark.slow
def test_checkpoints_are_ordinary(tmp_path):
    run_processes(2, check_checkpoints, tmp_path)


def test_refuses_an_older_torch(monkeypatch):
    module = sys.modules[shard_model.__module__]
    monkeypatch.setattr(module, 'find_fully_shard', lambda: None)
    with pytest.raises(ValueError, match='needs torch 2'):
        shard_model(make_model(()))
