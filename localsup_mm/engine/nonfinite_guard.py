"""Passing over an iteration whose loss is not finite."""

import logging
from collections.abc import Mapping

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

__all__ = ['NonfiniteGuard', 'explain_nonfinite']


class NonfiniteGuard:
    """Skips the optimizer's step where a loss was not finite.

    Buffers, such as the statistics of norms, become what they were, in all
    processes.
    """

    def __init__(self) -> None:
        self._found: list[str] = []
        self._buffers: Mapping[Tensor, Tensor] = {}

    def begin(self, model: nn.Module) -> None:
        """Keep the buffers, unless gradients are being accumulated.

        Args:
            model (nn.Module): The model before its forward pass.
        """
        if not self._buffers:
            self._buffers = {b: b.clone() for b in model.buffers()}

    def note(self, message: str) -> None:
        """Note a loss that is not finite.

        Args:
            message (str): Its name and value.
        """
        self._found.append(message)

    def skips(self) -> bool:
        """Tell whether a step is to be skipped, in all processes alike.

        Returns:
            bool: Whether it is.
        """
        flag = torch.tensor(int(bool(self._found)))
        all_reduce(flag, 'max')
        if flag:
            for buffer, kept in self._buffers.items():
                buffer.copy_(kept)
            found = self._found or ['Another process found one.']
            print_log(
                'This step is skipped, since a loss is not finite. '
                f'{found[0]}',
                logger='current',
                level=logging.WARNING,
            )
        self._found, self._buffers = [], {}
        return bool(flag)


def explain_nonfinite(wrapper: OptimWrapper, name: str, value: float) -> str:
    """Say that a loss is not finite, and what can be done.

    Args:
        wrapper (OptimWrapper): A local one.
        name (str): Name of the loss.
        value (float): Its value.

    Returns:
        str: The message of an error.
    """
    steps_each = getattr(wrapper, 'step_each_module', False)
    changed = (
        'Only local modules before it were'
        if steps_each
        else 'No parameter was'
    )
    ways = '' if steps_each else 'with clip_grad or skip_nonfinite=True, '
    # it counts from 0, the log from 1
    iteration = wrapper.message_hub.get_info('iter')
    place = '' if iteration is None else f' in iteration {iteration + 1}'
    return (
        f'{name} should be finite, but got {value}{place}. {changed} changed '
        'in this iteration: resume from a checkpoint before it with a lower '
        f'learning rate, {ways}or without AMP.'
    )
