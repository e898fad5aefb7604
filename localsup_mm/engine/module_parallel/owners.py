"""Parameters, buffers and optimizer state, by who has trained them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch.optim import Optimizer

from ...supervision import find_supervised_backbones
from .channel import broadcast_message

__all__ = [
    'drop_foreign_state',
    'find_owners',
    'gather_optimizer',
    'gather_state',
]


def find_owners(
    model: nn.Module, in_backbone: Mapping[str, int]
) -> dict[str, int]:
    """Find the process that has trained each parameter and buffer.

    Args:
        model (nn.Module): The bare model.
        in_backbone (Mapping[str, int]): Local modules by the name of a
            parameter or a submodule, see
            :meth:`LocalStretches.find_owners`.

    Returns:
        dict[str, int]: By the names of the model's state dict.
    """
    (backbone,) = find_supervised_backbones(model)
    names = {module: name for name, module in model.named_modules()}
    prefix = f'{names[backbone]}.' if names[backbone] else ''
    last = len(backbone.local_supervision.local_modules)
    parts = {
        names[part]: k
        for k, part in enumerate(backbone.local_supervision.local_modules)
    }
    if hasattr(backbone, 'context_supply'):
        encoders = backbone.context_supply.encoders
        parts.update({names[e]: k + 1 for k, e in enumerate(encoders)})
    parts.update({f'{prefix}{name}': k for name, k in in_backbone.items()})
    owners = {}
    for key in model.state_dict():
        name = key
        # the innermost part that has an owner
        while name and name not in parts:
            name = name.rpartition('.')[0]
        owners[key] = parts[name] if name else last
    return owners


@torch.no_grad()
def gather_state(
    model: nn.Module,
    owners: Mapping[str, int],
    group: dist.ProcessGroup,
) -> None:
    """Give all processes the parameters and buffers of all.

    Args:
        model (nn.Module): The bare model, or another one with its state, e.g.
            an average of it.
        owners (Mapping[str, int]): The result of :func:`find_owners`.
        group (dist.ProcessGroup): A group of gloo.
    """
    state = model.state_dict()
    rank = dist.get_rank()
    device = next(model.parameters()).device
    for owner in range(dist.get_world_size()):
        own = {n: state[n] for n, k in owners.items() if k == owner}
        message = broadcast_message(
            own if owner == rank else None, owner, group, device
        )
        if owner != rank:
            for name, value in message.items():
                state[name].copy_(value)


@contextmanager
def gather_optimizer(
    optimizer: Optimizer,
    model: nn.Module,
    owners: Mapping[str, int],
    group: dist.ProcessGroup,
) -> Iterator[None]:
    """Give process 0 the optimizer state of all, for a while.

    Args:
        optimizer (Optimizer): That of the whole model; in each process it
            has state for what is trained there.
        model (nn.Module): The bare model.
        owners (Mapping[str, int]): The result of :func:`find_owners`.
        group (dist.ProcessGroup): A group of gloo.

    Yields:
        None: While process 0 has all of it.
    """
    drop_foreign_state(optimizer, model, owners)
    parameters = dict(model.named_parameters())
    rank = dist.get_rank()
    own = {
        name: optimizer.state[parameter]
        for name, parameter in parameters.items()
        if parameter in optimizer.state
    }
    # where a checkpoint has it; a GPU may hold no more than its own
    cpu = torch.device('cpu')
    for owner in range(1, dist.get_world_size()):
        message = broadcast_message(
            own if owner == rank else None, owner, group, cpu
        )
        if rank == 0:
            for name, value in message.items():
                optimizer.state[parameters[name]] = value
    try:
        yield
    finally:
        drop_foreign_state(optimizer, model, owners)


def drop_foreign_state(
    optimizer: Optimizer, model: nn.Module, owners: Mapping[str, int]
) -> None:
    """Let go of the state of parameters that others train."""
    rank = dist.get_rank()
    for name, parameter in model.named_parameters():
        if owners[name] != rank:
            optimizer.state.pop(parameter, None)
