"""An optimizer step of one local module, right after its backward."""

from collections.abc import Collection

from torch import nn
from torch.optim import Optimizer

from ..errors import SetupError

__all__ = ['check_others', 'step_module']


def step_module(
    optimizer: Optimizer, parameters: Collection[nn.Parameter], name: str
) -> None:
    """Step and zero one local module.

    An optimizer passes over parameters without a gradient. Those behind the
    module have none yet, those before it none any more; so its whole step is
    that of the module.

    Args:
        optimizer (Optimizer): The optimizer of the whole model.
        parameters (Collection[nn.Parameter]): The local module's own.
        name (str): Name of the local module, for messages.

    Raises:
        RuntimeError: If a parameter of another module has a gradient.
        SetupError: If the optimizer keeps more than the state of each
            parameter.
    """
    check_others(optimizer, parameters, name)
    groups = optimizer.param_groups
    before = [_find_options(group) for group in groups]
    optimizer.step()
    optimizer.zero_grad()
    if [_find_options(group) for group in groups] != before:
        raise SetupError(
            '`optimizer` should keep nothing but the state of each parameter '
            f'for step_each_module, but got {type(optimizer).__name__}, which '
            'keeps count for all. Set step_each_module=False, or take SGD or '
            'AdamW.'
        )


def _find_options(group: dict) -> dict:
    return {key: value for key, value in group.items() if key != 'params'}


def check_others(
    optimizer: Optimizer, parameters: Collection[nn.Parameter], name: str
) -> None:
    """Check that only one local module has gradients.

    Args:
        optimizer (Optimizer): The optimizer of the whole model.
        parameters (Collection[nn.Parameter]): The local module's own.
        name (str): Name of the local module, for messages.

    Raises:
        RuntimeError: If a parameter of another module has a gradient.
    """
    for group in optimizer.param_groups:
        for parameter in group['params']:
            if parameter.grad is not None and parameter not in parameters:
                raise RuntimeError(
                    f'the backward of {name} should reach its own parameters '
                    'only for step_each_module, but got another one with a '
                    'gradient. Set step_each_module=False where local modules'
                    ' share parameters; else zero gradients to None.'
                )
