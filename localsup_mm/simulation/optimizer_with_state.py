"""An optimizer as it is from the second iteration on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.optim import Optimizer

from ..upstream import FakeTensor
from .reading_ones import reading_ones
from .workload import Workload

__all__ = ['make_optimizer_with_state']


def make_optimizer_with_state(
    workload: Workload, model: nn.Module
) -> Optimizer:
    """Make the optimizer of a model, and let it step once.

    Args:
        workload (Workload): The training that is imitated.
        model (nn.Module): Its model, of fake tensors, real ones or both.

    Returns:
        Optimizer: It has the state of each trainable parameter, and
        gradients where they accumulate.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = workload.make_optimizer(parameters)
    optimizer.step = reading_ones(  # type: ignore[method-assign]
        optimizer.step
    )
    is_of_torch = type(optimizer).__module__.startswith('torch.optim')
    kinds = [parameters]
    if is_of_torch:
        # it passes over what has no gradient; fake and real parameters in one
        # op would all become fake
        kinds = [
            [p for p in parameters if isinstance(p, FakeTensor) == is_fake]
            for is_fake in (True, False)
        ]
    for alike in kinds:
        _zero_gradients(alike)
        with _stepping_at_once(optimizer) if is_of_torch else nullcontext():
            optimizer.step()
        optimizer.zero_grad()
    if workload.accumulates:
        _zero_gradients(parameters)
    return optimizer


def _zero_gradients(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)


@contextmanager
def _stepping_at_once(optimizer: Optimizer) -> Iterator[None]:
    """Let an optimizer step all parameters by one op, where it can.

    It makes the same state in less time, but takes more memory meanwhile.
    """
    groups = [
        group
        for group in optimizer.param_groups
        if 'foreach' in group and not group.get('fused')
    ]
    chosen = [group['foreach'] for group in groups]
    for group in groups:
        group['foreach'] = True
    try:
        yield
    finally:
        for group, choice in zip(groups, chosen):
            group['foreach'] = choice
