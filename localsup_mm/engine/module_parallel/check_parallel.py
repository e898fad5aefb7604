"""Checks that a training can be divided among processes by local modules."""

import logging

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn

from ...errors import SetupError
from ...supervision import find_supervised_backbones, learns
from ..local_backward import LocalBackwardMixin

__all__ = ['check_model_and_number', 'check_optim_wrapper']


def check_model_and_number(model: nn.Module, num_processes: int) -> None:
    """Check that there is a process for each local module.

    Args:
        model (nn.Module): The bare model.
        num_processes (int): How many processes there are.

    Raises:
        SetupError: If there are more or fewer.
    """
    backbones = find_supervised_backbones(model)
    learning = [*filter(learns, backbones)]
    if len(learning) != 1 or len(backbones) != 1:
        raise SetupError(
            '`model` should have one LocalBackbone, and that should learn, '
            f'for ModuleParallelRunner, but got {len(backbones)}, of which '
            f'{len(learning)} learn. Wrap one backbone, or leave runner_type '
            'out.'
        )
    number = len(backbones[0].local_supervision.local_modules) + 1
    if number != num_processes:
        raise SetupError(
            '`local_modules` should give as many local modules as there are '
            f'processes for ModuleParallelRunner, but got {number} for '
            f'{num_processes}. Start {number} processes, or choose '
            f'{num_processes - 1} boundaries, e.g. by localsup plan '
            f'--num-local-modules {num_processes} --balance time.'
        )


def check_optim_wrapper(wrapper: OptimWrapper, clip_each_module: bool) -> None:
    """Check that a step needs nothing of other processes.

    Args:
        wrapper (OptimWrapper): The optimizer wrapper.
        clip_each_module (bool): Whether gradients may be clipped in each
            local module by itself.

    Raises:
        SetupError: If it does; the message says what to change.
        TypeError: If the wrapper is not local.
    """
    if not isinstance(wrapper, LocalBackwardMixin):
        raise TypeError(
            '`optim_wrapper` should be local for ModuleParallelRunner, but '
            f'got {type(wrapper).__name__}. Set optim_wrapper='
            "dict(type='LocalOptimWrapper')."
        )
    if wrapper.guard is not None:
        raise SetupError(
            '`skip_nonfinite` should be False for ModuleParallelRunner, since '
            'the processes before have had their step when a loss is not '
            'finite, but got True. Leave one of them out.'
        )
    is_over_all = wrapper.clip_grad_kwargs and wrapper.grad_name == 'grad_norm'
    if is_over_all and not clip_each_module:
        raise SetupError(
            '`clip_grad` should not be over the gradients of all modules for '
            'ModuleParallelRunner, where each process steps by itself, but '
            f'got {wrapper.clip_grad_kwargs!r}. Set clip_each_module=True in '
            'model_wrapper_cfg to clip those of each local module, or '
            "clip_grad=dict(type='value', ...)."
        )
    scaler = getattr(wrapper, 'loss_scaler', None)
    if scaler is not None and scaler.is_enabled():
        print_log(
            'Each local module has a loss scale of its own: an overflow '
            'skips the step of that module alone. A checkpoint keeps that of '
            'the first.',
            logger='current',
            level=logging.WARNING,
        )
