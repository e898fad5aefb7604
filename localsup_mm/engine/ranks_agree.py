"""Checks that all processes train the same model."""

import hashlib
import math
from collections.abc import Iterator
from itertools import zip_longest

from mmengine.dist import all_gather_object, get_world_size
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import SetupError
from ..supervision import find_supervised_backbones, local_parameters

__all__ = ['check_first_gradients', 'check_same_model']


def check_same_model(model: nn.Module) -> None:
    """Check that parameters and partition are the same in all processes.

    Otherwise they would wait for each other, or mix up parameters.

    Args:
        model (nn.Module): The bare model.

    Raises:
        SetupError: In all of them; it names the first difference.
    """
    lines = [*_describe(model)]
    digest = hashlib.sha256('\n'.join(lines).encode()).hexdigest()
    if len({*all_gather_object(digest)}) == 1:
        return
    found = all_gather_object(lines)
    rank = next(r for r, other in enumerate(found) if other != found[0])
    first, other = next(
        pair for pair in zip_longest(found[0], found[rank]) if len({*pair}) > 1
    )
    raise SetupError(
        '`model` should be the same in all processes, but got '
        f'{first or "nothing more"!r} in process 0 and '
        f'{other or "nothing more"!r} in process {rank}. Start all with the '
        'same config and the same code.'
    )


def check_first_gradients(model: nn.Module) -> None:
    """Check that gradients were averaged over all processes.

    Args:
        model (nn.Module): The model, wrapped for distribution or not. Where
            its wrapper is not torch's DDP nothing is checked.

    Raises:
        RuntimeError: In all of them; it names the first parameter whose
            gradient differs.
    """
    if not isinstance(model, DistributedDataParallel) or get_world_size() == 1:
        return
    own = {id(p) for ps in local_parameters(model).values() for p in ps}
    sums = {
        name: 0.0 if p.grad is None else p.grad.double().abs().sum().item()
        for name, p in model.module.named_parameters()
        # somebody else's may be meant to differ
        if id(p) in own or name not in model.parameters_to_ignore
    }
    found = all_gather_object([*sums.values()])
    for rank, values in enumerate(found):
        for name, first, other in zip(sums, found[0], values):
            is_same = math.isclose(first, other, rel_tol=1e-6)
            if not is_same and math.isfinite(first):
                raise RuntimeError(
                    'the gradient of a parameter should be the same in all '
                    f'processes, but got that of {name!r} with a sum of '
                    f'{first:g} in process 0 and {other:g} in process {rank}.'
                    ' Set model_wrapper_cfg=dict(type='
                    "'LocalDistributedDataParallel')."
                )


def _describe(model: nn.Module) -> Iterator[str]:
    for backbone in find_supervised_backbones(model):
        for local_module in backbone.local_supervision.local_modules:
            yield f'boundary {local_module.boundary.name}'
    for name, p in model.named_parameters():
        kind = '' if p.requires_grad else ', frozen'
        yield f'{name}: {tuple(p.shape)}, {p.dtype}{kind}'
