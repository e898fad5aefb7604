"""What is sent between processes in a step, how much and when."""

import pytest
import torch
import torch.distributed as dist
from gloo_processes import run_processes
from torch import nn
from torch.profiler import profile
from union_cases import make_batch, make_model, record

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import LocalDistributedDataParallel
from localsup_mm.engine.gradient_buckets import average_gradients
from localsup_mm.metering import LiveBytes
from localsup_mm.supervision import local_parameters

BYTES = 8  # of a number in float64


def train_step(model, wrapper, rank):
    inputs, labels = make_batch((), 0)
    part = slice(rank * 2, rank * 2 + 2)
    data = dict(inputs=inputs[part], data_samples=labels[part])
    model.train_step(data, wrapper)


def trace_step(*args):
    """What gloo sends in a step, and the profile of it."""
    with profile(record_shapes=True) as trace:
        train_step(*args)
    events = sorted(trace.events(), key=lambda e: e.time_range.start)
    return [e for e in events if e.name.startswith('gloo:')], events


def count_bytes(sent):
    return [
        torch.Size(event.input_shapes[0]).numel() * BYTES for event in sent
    ]


def check_sent(rank, cap_mb):
    bare = make_model(())
    model = LocalDistributedDataParallel(bare, bucket_cap_mb=cap_mb)
    wrapper = LocalOptimWrapper(
        optimizer=torch.optim.SGD(bare.parameters(), lr=0.1),
        accumulative_counts=2,
    )
    record('second module', bare.backbone[2], bare.backbone[3])
    # the first step compares gradients, then torch arranges its own buckets
    for _ in range(4):
        train_step(model, wrapper, rank)

    # gradients that are being accumulated stay
    sent, _ = trace_step(model, wrapper, rank)
    assert not sent

    # those of one set, and no more
    sent, events = trace_step(model, wrapper, rank)
    sizes = count_bytes(sent)
    assert sum(sizes) == sum(p.nbytes for p in bare.parameters())
    first, _ = local_parameters(bare).values()
    largest = max(p.nbytes for p in first)
    assert all(size <= max(cap_mb * 2**20, largest) for size in sizes)

    # the first local module's are on their way before the second has run
    of_first = sum(p.nbytes for p in first)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    number = ends.index(of_first) + 1
    assert number > 1
    (second,) = (e for e in events if e.name == 'second module')
    calls = [e for e in events if e.name == 'c10d::allreduce_'][:number]
    assert len(calls) == number
    assert all(e.time_range.end < second.time_range.end for e in calls)


@pytest.mark.slow
def test_sent_in_buckets():
    run_processes(2, check_sent, 4096 / 2**20)


@pytest.fixture
def alone():
    """A group of this process alone."""
    dist.init_process_group(
        'gloo', store=dist.HashStore(), rank=0, world_size=1
    )
    yield dist.group.WORLD
    dist.destroy_process_group()


def make_parameters():
    parameters = [nn.Parameter(torch.zeros(2**16)) for _ in range(16)]
    for i, parameter in enumerate(parameters):
        parameter.grad = torch.full_like(parameter, i)
    return parameters


@pytest.mark.parametrize(
    ('buckets', 'extra'), [(1, 1), (2, 2), (2.5, 2), (0.1, 1), (100, 16)]
)
def test_one_bucket_lives_twice(alone, buckets, extra):
    """In units of the gradient of one parameter."""
    size = 2**18
    with LiveBytes() as meter:
        parameters = make_parameters()
        before = meter.current
        meter.peak = before
        finish = average_gradients(parameters, buckets * size, alone)
        finish()
        assert meter.current == before
    assert meter.peak - before == extra * size
    for i, parameter in enumerate(parameters):
        assert (parameter.grad == i).all()


def test_unused(alone):
    parameters = make_parameters()
    parameters[3].grad = parameters[4].grad = None
    parameters[4].requires_grad_(False)
    average_gradients(parameters, 2**20, alone, find_unused=True)()
    assert [i for i, p in enumerate(parameters) if p.grad is None] == [3, 4]
    average_gradients(parameters, 2**20, alone)()
    assert not parameters[3].grad.any()
    assert parameters[4].grad is None


def test_refuses_no_size(alone):
    with pytest.raises(ValueError, match=r'`bucket_cap_mb`.* got 0'):
        LocalDistributedDataParallel(make_model(()), bucket_cap_mb=0)
