"""Lending a training iteration to a model, and taking it back."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from .learns import learns
from .local_parameters import find_supervised_backbones
from .local_step import LocalStep

__all__ = ['lend_step']


@contextmanager
def lend_step(model: nn.Module, step: LocalStep) -> Iterator[LocalStep]:
    """Lend a step to every locally supervised backbone that learns.

    It is taken back at the end, also after an exception, so that nothing of
    the batch is held outside.

    Args:
        model (nn.Module): The bare model; its ``data_samples`` argument
            becomes the step's.
        step (LocalStep): The step.

    Yields:
        LocalStep: The step.

    Example:
        >>> import torch
        >>> from localsup_mm import LocalStep, supervise_locally
        >>> net = supervise_locally(
        ...     nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(),
        ...                   nn.Conv2d(4, 2, 1)),
        ...     [dict(boundary='1',
        ...           decoder=dict(mean=[0.] * 3, std=[255.] * 3))])
        >>> step = LocalStep(
        ...     lambda _, losses: sum(losses.values()).backward())
        >>> with lend_step(net, step):
        ...     output = net(torch.rand(2, 3, 8, 8))
        >>> output.sum().backward()
        >>> all(p.grad is not None for p in net.parameters())
        True
    """
    supervisions = [
        backbone.local_supervision
        for backbone in find_supervised_backbones(model)
        if learns(backbone)
    ]
    handle = model.register_forward_pre_hook(
        step.take_data_samples, with_kwargs=True
    )
    try:
        for supervision in supervisions:
            supervision.step = step
        with step.attached(model):
            yield step
    finally:
        handle.remove()
        for supervision in supervisions:
            supervision.step = None
        step.end()
