"""Cutting the parameters of a model into shards, module by module."""

from collections.abc import Iterator

import torch.distributed as dist
from torch import nn

from ...errors import SetupError
from ...supervision import (
    LocalModule,
    find_supervised_backbones,
    local_parameters,
)
from ...upstream import find_fully_shard, run_hook_first

__all__ = ['shard_model']

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def shard_model(model: nn.Module) -> None:
    """Leave each process one part of each parameter.

    Each block of the backbone, and each local module's aux nets, are gathered
    when they run, and let go behind it. What is left, neck and heads among
    it, is gathered once for forward pass and backward.

    Args:
        model (nn.Module): The bare model, on its device; the same in all
            processes. It is changed in place: parameters become DTensors.

    Raises:
        SetupError: If torch cannot, or a parameter is a single number.
    """
    fsdp = find_fully_shard()
    if fsdp is None:
        raise SetupError(
            '`model_wrapper_cfg` should be '
            "dict(type='LocalDistributedDataParallel') with this torch, but "
            'got LocalFullyShardedDataParallel, which needs torch 2.6 or '
            'newer. Install one.'
        )
    for name, parameter in model.named_parameters():
        if parameter.dim() == 0:
            raise SetupError(
                'parameters should have at least one dimension for '
                f'LocalFullyShardedDataParallel, but got {name!r} with none. '
                'Leave it out of the model (scaled=False for MomentumBlock), '
                'or take LocalDistributedDataParallel.'
            )
    device = next(model.parameters()).device
    mesh = fsdp.make_mesh(device.type, dist.get_world_size())
    for unit in _find_units(model):
        fsdp.fully_shard(unit, mesh=mesh)
        if isinstance(unit, LocalModule):
            fsdp.register_fsdp_forward_method(unit, 'loss')
        else:
            # what leaves it is complete before a boundary there looks at it
            run_hook_first(unit)
    fsdp.fully_shard(model, mesh=mesh)


def _find_units(model: nn.Module) -> Iterator[nn.Module]:
    """Yield submodules, each of one local module, that are called as such."""
    owners = {
        id(parameter): local_module
        for local_module, parameters in local_parameters(model).items()
        for parameter in parameters
    }
    for backbone in find_supervised_backbones(model):
        local_modules = backbone.local_supervision.local_modules
        names = [m.boundary.name for m in local_modules]
        around = {backbone}
        for name in names:
            parts = name.split('.')
            around.update(
                backbone.get_submodule('.'.join(parts[:i]))
                for i in range(1, len(parts))
            )
        yield from _find_below(backbone, around, owners)


def _find_below(
    module: nn.Module, around: set, owners: dict
) -> Iterator[nn.Module]:
    for child in module.children():
        found = {owners.get(id(p)) for p in child.parameters()}
        is_called = isinstance(child, LocalModule) or (
            type(child).forward is not nn.Module.forward
            and not isinstance(child, _CONTAINERS)
        )
        if len(found) == 1 and is_called and child not in around:
            yield child
        elif found:
            yield from _find_below(child, around, owners)
