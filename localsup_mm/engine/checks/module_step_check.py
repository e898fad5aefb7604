"""Checks that a step of each local module goes with the rest."""

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn

from ...errors import SetupError
from ...upstream import find_accumulative_counts

__all__ = ['check_model_wrapper', 'check_settings']


def check_settings(wrapper: OptimWrapper) -> None:
    """Check that nothing needs the gradients of all modules at once.

    Args:
        wrapper (OptimWrapper): One that is to step each local module.

    Raises:
        SetupError: If it clips, accumulates, skips or scales the loss.
    """
    if getattr(wrapper, 'guard', None) is not None:
        raise SetupError(
            '`skip_nonfinite` should be False with step_each_module, since '
            'earlier local modules have had their step when a loss is not '
            'finite, but got True. Leave one of them out.'
        )
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
    allowed = getattr(model, 'allows_local_backward', False)
    if is_model_wrapper(model) and not allowed:
        raise TypeError(
            '`model_wrapper_cfg` should be '
            "dict(type='LocalDistributedDataParallel') with step_each_module, "
            f'but got {type(model).__name__}, which averages gradients after '
            'the last backward. Set it in the config.'
        )
