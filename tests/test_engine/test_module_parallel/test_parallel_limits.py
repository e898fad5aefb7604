"""What cannot be divided among processes is refused; errors end them all."""

import copy

import pytest
import torch
import torch.distributed as dist
from asserts import assert_equal, wrap
from cases import CASES, build_model
from gloo_processes import (
    ensure_server,
    find_port,
    join,
    run_processes,
    server,
)
from mmengine.optim import OptimWrapper
from test_module_parallel import make_batches

from localsup_mm.engine import ModuleParallel
from localsup_mm.engine.module_parallel.channel import Sender

TWO = CASES['toy']._replace(boundaries=['conv3'])


def check_refused(rank):
    batch = next(make_batches()) if rank == 0 else None

    def assert_refused(wrapper, match, error=ValueError, **kwargs):
        model = ModuleParallel(build_model(kwargs.pop('case', TWO)), **kwargs)
        with pytest.raises(error, match=match):
            model.train_step(batch, wrapper(model))

    def local(**kwargs):
        return lambda model: wrap(model, **kwargs)

    assert_refused(local(), '3 for 2. Start 3 processes', case=CASES['toy'])
    frozen = ModuleParallel(build_model(TWO))
    frozen.module.backbone.requires_grad_(False)
    with pytest.raises(ValueError, match='got 1, of which 0 learn'):
        frozen.train_step(batch, wrap(frozen))
    alone = TWO._replace(boundaries=[])
    assert_refused(local(), 'got 1 for 2', case=alone)
    assert_refused(
        local(clip_grad=dict(max_norm=1.0)),
        "max_norm': 1.0}.*clip_each_module=True",
    )
    assert_refused(local(skip_nonfinite=True), '`skip_nonfinite`.*got True')
    assert_refused(
        lambda model: OptimWrapper(wrap(model).optimizer),
        "got OptimWrapper.*'LocalOptimWrapper'",
        TypeError,
    )
    model = ModuleParallel(build_model(TWO))
    batch = None if rank == 0 else next(make_batches())
    with pytest.raises(ValueError, match=f'process 0 alone.*process {rank}'):
        model.train_step(batch, wrap(model))


def check_clipped(rank):
    """By value as one process does, by a norm where that is asked for."""
    for clip_grad, kwargs in (
        (dict(type='value', clip_value=1e-3), {}),
        (dict(max_norm=1e-3), dict(clip_each_module=True)),
    ):
        alone = build_model(TWO)
        model = ModuleParallel(copy.deepcopy(alone), **kwargs)
        before = {n: p.clone() for n, p in model.module.named_parameters()}
        wrapper = wrap(model, clip_grad=clip_grad)
        batch = next(make_batches()) if rank == 0 else None
        model.train_step(batch, wrapper)
        model.eval()
        moved = [
            (p - before[n]).abs().max().item()
            for n, p in model.module.named_parameters()
        ]
        assert 0 < max(moved) < 1.01e-4  # of lr=0.1
        if clip_grad.get('type') == 'value':
            wrapper = wrap(alone, clip_grad=clip_grad)
            alone.train_step(next(make_batches()), wrapper)
            assert_equal(model.module.state_dict(), alone.state_dict())
        model.close()


def check_drawn(rank):
    """Process 0 draws what one process would, the others draw apart."""
    torch.manual_seed(3)
    model = build_model(TWO)
    alone = torch.get_rng_state()
    ModuleParallel(model)
    assert torch.get_rng_state().equal(alone) == (rank == 0)


def check_own_error(rank):
    """One of the thread that sends is not laid to the other process."""
    group = dist.new_group(backend='gloo')
    if rank == 0:
        sender = Sender(1, group, 2)
        sender._put('no packet')
        with pytest.raises(AttributeError, match='header'):
            sender.close()
    dist.barrier()


def check_all(rank):
    check_refused(rank)
    check_clipped(rank)
    check_drawn(rank)
    check_own_error(rank)


def test_refused_and_clipped():
    run_processes(2, check_all)


def fail(rank, port, failing, found):
    """Train until one process fails in iteration 2."""
    join(rank, port)
    model = ModuleParallel(build_model(TWO))
    wrapper = wrap(model)
    wrapper.optimizer.param_groups[0]['lr'] = 1e-6
    try:
        for i, batch in enumerate(make_batches(50)):
            if i == 2 and rank == failing:
                raise ArithmeticError('of its own')
            model.train_step(batch if rank == 0 else None, wrapper)
    except Exception as error:
        found.put((rank, str(error)))
        raise


@pytest.mark.parametrize('failing', [0, 1])
def test_an_error_ends_the_other_process(failing):
    ensure_server()
    found, port = server.Queue(), find_port()
    processes = [
        server.Process(target=fail, args=(rank, port, failing, found))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    errors = dict(found.get(timeout=120) for _ in processes)
    assert errors[failing] == 'of its own'
    assert f'process {failing} should go on' in errors[1 - failing]
    for process in processes:
        process.join(60)
        assert process.exitcode == 1
