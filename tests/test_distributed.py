"""Two processes get the mean of what each alone would get.

The second one has an image more, as in a last batch.
"""

import math

import asserts
import pytest
import torch
import torch.distributed as dist
from asserts import (
    NoStep,
    assert_close,
    assert_equal,
    gradients,
    oracle_gradients,
)
from cases import CASES, CONTEXT_CASES, ToyModel, build_model
from commands import forget_runners
from gloo_processes import run_processes
from mmengine.model import MMDistributedDataParallel
from toy_runner import Images, make_runner
from union_cases import to_whole

from localsup_mm import LocalOptimWrapper, recompute_modules
from localsup_mm.engine import (
    LocalDistributedDataParallel,
    LocalFullyShardedDataParallel,
    prepare_model,
)
from localsup_mm.supervision import local_parameters
from localsup_mm.upstream import find_fully_shard

EVERY = {**CASES, **CONTEXT_CASES}
NAMES = ['toy', 'resnet_v1d_with_cp', 'swin', 'toy_r1e']


def rank_batch(rank):
    generator = torch.Generator().manual_seed(rank)
    inputs = torch.rand(2 + rank, 3, 64, 64, generator=generator) * 255
    return inputs, torch.randint(3, (2 + rank,), generator=generator)


def use_batch(rank):
    """The oracle and the step read the batch from here."""
    asserts.make_batch = lambda model: rank_batch(rank)


def expected_gradients(name):
    total = {}
    for rank in range(2):
        use_batch(rank)
        for key, grad in oracle_gradients(build_model(EVERY[name])).items():
            total[key] = total.get(key, 0) + grad / 2
    return total


def check(name, wrapper_cls, counts, rank, **kwargs):
    expected = expected_gradients(name)
    use_batch(rank)
    bare = build_model(EVERY[name])
    model = wrapper_cls(bare, **kwargs)
    wrapper = LocalOptimWrapper(
        optimizer=NoStep(model.module), accumulative_counts=counts
    )
    for _ in range(counts):
        asserts.train_step(model, wrapper)
    if wrapper_cls is LocalDistributedDataParallel:
        assert_no_second_copy(bare)
    found = {name: to_whole(g) for name, g in gradients(bare).items()}
    # a parameter that no process used has zeros
    unused = [key for key in found if key not in expected]
    assert not any(found.pop(key).any() for key in unused)
    assert_close(found, expected)


def assert_no_second_copy(model):
    """Gradients are parts of what was sent: one storage a local module."""
    for parameters in local_parameters(model).values():
        storages = {p.grad.untyped_storage().data_ptr() for p in parameters}
        assert len(storages) == 1


def check_module_step(rank):
    """A step of each module is that of all, and needs our wrapper."""
    use_batch(rank)
    states = []
    for step_each_module in (False, True):
        model = LocalDistributedDataParallel(build_model(CASES['toy']))
        wrapper = asserts.wrap(model, step_each_module=step_each_module)
        for _ in range(2):
            asserts.train_step(model, wrapper)
        states.append(model.state_dict())
    assert_equal(*states)

    plain = MMDistributedDataParallel(
        build_model(CASES['toy']), find_unused_parameters=True
    )
    with pytest.raises(TypeError, match='with step_each_module, but got MMD'):
        wrapper.prepare_once(plain)


def check_frozen_since(rank):
    """What is frozen behind the wrapper, and what learns again."""
    expected = expected_gradients('toy')
    use_batch(rank)
    bare = build_model(CASES['toy'])
    model = LocalDistributedDataParallel(bare)
    wrapper = LocalOptimWrapper(optimizer=NoStep(bare))
    for is_learning in (False, True):
        bare.backbone.conv1.requires_grad_(is_learning)
        bare.zero_grad()
        asserts.train_step(model, wrapper)
        assert_close(
            gradients(bare),
            {
                name: grad
                for name, grad in expected.items()
                if is_learning or 'conv1' not in name
            },
        )


class RunsTwice(ToyModel):
    """A backbone that runs twice in an iteration, as on two views."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        first = super().forward(inputs, data_samples, mode)
        again = super().forward(inputs, data_samples, mode)
        return dict(first, loss_again=again['loss_ce'])


def check_runs_twice(rank):
    expected = expected_gradients('toy')
    use_batch(rank)
    bare = build_model(CASES['toy'])
    bare.__class__ = RunsTwice
    model = LocalDistributedDataParallel(bare)
    asserts.train_step(model, LocalOptimWrapper(optimizer=NoStep(bare)))
    assert_close(gradients(bare), {n: 2 * g for n, g in expected.items()})


def check_buffers_and_unused(rank):
    """Both as in the wrapper that the Runner makes by default."""
    model = build_model(CASES['toy'])
    model.register_buffer('own', torch.zeros(1))
    model.unused = torch.nn.Linear(1, 1)
    model = LocalDistributedDataParallel(model, find_unused_parameters=True)
    model.module.own += rank
    wrapper = asserts.wrap(model)
    use_batch(rank)
    for _ in range(2):
        asserts.train_step(model, wrapper)
    assert model.module.own == rank


def check_recomputed(rank):
    """Of each kind, with statistics of norms that change once."""
    use_batch(rank)
    states = []
    for recompute in ([], dict(full=['backbone.layer*.*'], cheap=['neck'])):
        bare = build_model(CASES['resnet_v1c_dilated'])
        model = LocalDistributedDataParallel(bare)
        recompute_modules(bare, recompute)
        wrapper = asserts.wrap(model)
        for _ in range(2):
            asserts.train_step(model, wrapper)
        states.append(model.state_dict())
    assert_equal(*states)


def check_ranks_agree(rank):
    """On the model before they wait for each other, then on gradients."""
    wider, cut = build_model(CASES['toy']), build_model(CASES['toy'])
    if rank == 1:
        wider.neck = torch.nn.Linear(25, 3)
        toy = CASES['toy']
        cut = build_model(toy._replace(boundaries=toy.boundaries[:1]))
    with pytest.raises(ValueError, match=r'neck.*\(3, 24\).*process 0.*25'):
        LocalDistributedDataParallel(wider)
    with pytest.raises(ValueError, match=r"'boundary conv3' in process 0"):
        LocalDistributedDataParallel(cut)

    use_batch(rank)
    model = LocalDistributedDataParallel(build_model(CASES['toy']))
    model.reduce_gradients = lambda local_module: lambda: None
    with pytest.raises(RuntimeError, match=r"'backbone.conv1.*in process 1"):
        asserts.train_step(model, asserts.wrap(model))


def check_skipped_step(rank):
    """A loss that is not finite in one process skips the step in both."""
    use_batch(rank)
    model = LocalDistributedDataParallel(build_model(CASES['toy']))
    wrapper = asserts.wrap(model, skip_nonfinite=True)
    before = {n: v.clone() for n, v in model.state_dict().items()}
    head = model.module.backbone.local_supervision.local_modules[1].aux_head
    loss = head.loss
    if rank == 1:
        head.loss = lambda *args: {
            key: value * math.nan for key, value in loss(*args).items()
        }
    asserts.train_step(model, wrapper)
    assert_equal(model.state_dict(), before)
    head.loss = loss
    asserts.train_step(model, wrapper)
    assert any(
        not torch.equal(value, before[name])
        for name, value in model.state_dict().items()
    )


def check_uneven_epochs(rank, work_dir):
    """One would wait for the other at the end of the epoch."""
    sampler = dict(type='DefaultSampler', round_up=False)
    images = torch.utils.data.Subset(Images(), range(7))
    runner = make_runner(
        work_dir,
        loop=dict(type='EpochBasedTrainLoop', max_epochs=1),
        loader=dict(dataset=images, sampler=sampler, batch_size=1),
        launcher='pytorch',
        cfg=dict(model_wrapper_cfg=dict(type='LocalDistributedDataParallel')),
    )
    with pytest.raises(ValueError, match=r'as many batches.*got \[4, 3\]'):
        runner.train()
    forget_runners()


def check_all(rank, work_dir):
    check_uneven_epochs(rank, work_dir)
    check_ranks_agree(rank)
    check_skipped_step(rank)
    for name in NAMES:
        check(name, LocalDistributedDataParallel, 1, rank)
    check('toy', LocalDistributedDataParallel, 2, rank)
    if find_fully_shard():
        check('toy', LocalFullyShardedDataParallel, 1, rank)
    check(
        'toy', MMDistributedDataParallel, 1, rank, find_unused_parameters=True
    )

    check_buffers_and_unused(rank)

    # all processes start alike, whatever they were built with
    model = build_model(CASES['toy'])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += rank
    model = LocalDistributedDataParallel(model)
    for parameter in model.parameters():
        other = [torch.empty_like(parameter) for _ in range(2)]
        dist.all_gather(other, parameter.detach())
        assert other[0].equal(other[1])

    plain = MMDistributedDataParallel(build_model(CASES['toy']))
    with pytest.raises(TypeError, match='got MMDistributedDataParallel'):
        prepare_model(plain)
    check_module_step(rank)
    check_frozen_since(rank)
    check_runs_twice(rank)
    check_recomputed(rank)


def test_two_processes(tmp_path):
    run_processes(2, check_all, tmp_path)


def check_sharded(rank):
    for name in [*NAMES, 'vit_dense']:
        check(name, LocalFullyShardedDataParallel, 1, rank)


@pytest.mark.slow
@pytest.mark.skipif(
    find_fully_shard() is None, reason='this torch has no fully_shard'
)
def test_two_processes_that_share_parameters():
    run_processes(2, check_sharded)
