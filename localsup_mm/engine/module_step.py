"""An optimizer step of one local module, right after its backward."""

from collections.abc import Collection

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn
from torch.optim import Optimizer

from ..errors import SetupError
from ..upstream import find_accumulative_counts
from .model_wrapper import LocalDistributedDataParallel

__all__ = [
    'check_model_wrapper',
    'check_others',
    'check_settings',
    'step_module',
]


def step_module(
    optimizer: Optimizer, parameters: Collection[nn.Parameter], name: str
) -> None:
    """Step and zero one local module.

    An optimizer passes over parameters without a gradient. Those behind the
    module have none yet, those before it none any more; so its whole step is
    that of the module.

    Args:
        optimizer (Optimizer): The optimizer of the whole model.
        parameters (Collection[nn.Parameter]): Those of the local module.
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
        parameters (Collection[nn.Parameter]): Those of the local module.
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


def check_settings(wrapper: OptimWrapper) -> None:
    """Check that nothing needs the gradients of all modules at once.

    Args:
        wrapper (OptimWrapper): One that is to step each local module.

    Raises:
        SetupError: If it clips, accumulates or scales the loss.
    """
    scaler = getattr(wrapper, 'loss_scaler', None)
    if wrapper.clip_grad_kwargs:
        raise SetupError(
            '`clip_grad` should be None with step_each_module, since it is '
            'over the gradients of all modules, but got '
            f'{wrapper.clip_grad_kwargs!r}. Leave one of them out.'
        )
    if find_accumulative_counts(wrapper) > 1:
        raise SetupError(
            '`accumulative_counts` should be 1 with step_each_module, since '
            'it keeps the gradients of all modules, but got '
            f'{find_accumulative_counts(wrapper)}. Leave one of them out.'
        )
    if scaler is not None and scaler.is_enabled():
        raise SetupError(
            '`loss_scale` should be off with step_each_module, since a '
            'gradient that is not finite skips the step of all modules, but '
            f"got one of {scaler.get_scale():g}. Set dtype='bfloat16' and "
            'loss_scale=dict(enabled=False), or step_each_module=False.'
        )


def check_model_wrapper(model: nn.Module) -> None:
    """Check that gradients are averaged module by module.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.

    Raises:
        TypeError: If its wrapper averages them at the end.
    """
    if is_model_wrapper(model) and not isinstance(
        model, LocalDistributedDataParallel
    ):
        raise TypeError(
            '`model_wrapper_cfg` should be '
            "dict(type='LocalDistributedDataParallel') with step_each_module, "
            f'but got {type(model).__name__}, which averages gradients after '
            'the last backward. Set it in the config.'
        )
