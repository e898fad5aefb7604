"""Activation checkpointing in the layers of hosts."""

from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

__all__ = [
    'CHECKPOINT_FLAGS',
    'allow_activation_checkpointing',
    'find_checkpoint_argument',
    'find_checkpointing_layers',
    'set_activation_checkpointing',
    'uses_activation_checkpointing',
]

# attributes by which the hosts' layers checkpoint; DenseNet's is the second
CHECKPOINT_FLAGS = ('with_cp', 'memory_efficient')


def find_checkpointing_layers(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Find the layers that can checkpoint activations, and their flags."""
    return [
        (module, flag)
        for module in model.modules()
        for flag in CHECKPOINT_FLAGS
        if hasattr(module, flag)
    ]


def set_activation_checkpointing(model: nn.Module, with_cp: bool) -> None:
    """Turn activation checkpointing on or off in all layers that have it."""
    for module, flag in find_checkpointing_layers(model):
        setattr(module, flag, with_cp)


def find_checkpoint_argument(backbone: nn.Module) -> str:
    """Name the argument of a backbone for activation checkpointing.

    Args:
        backbone (nn.Module): A backbone of a host.

    Returns:
        str: The name, e.g. ``'with_cp'``.

    Raises:
        ValueError: If the backbone has no such argument.
    """
    arguments = {
        name
        for cls in type(backbone).__mro__
        for name in signature(cls.__init__).parameters
    }
    for flag in CHECKPOINT_FLAGS:
        if flag in arguments:
            return flag
    raise ValueError(
        f'`with_cp` should be for a backbone with one of {CHECKPOINT_FLAGS}, '
        f'but got {type(backbone).__name__}, which has neither. Leave it out.'
    )


def uses_activation_checkpointing(model: nn.Module) -> bool:
    """Tell whether a layer of a model checkpoints its activations."""
    return any(
        getattr(m, flag) for m, flag in find_checkpointing_layers(model)
    )


def allow_activation_checkpointing(h: Tensor) -> Tensor:
    """Let the layer behind a boundary checkpoint its activations.

    The hosts' layers do so where their input requires a gradient, which a
    detached one does not: their activations would be kept.

    Args:
        h (Tensor): Detached features.

    Returns:
        Tensor: The same features. They seem to require a gradient, which
        leads nowhere.
    """
    return _DeadEnd.apply(h, torch.empty(0, requires_grad=True))


class _DeadEnd(Function):
    """A function whose backward takes a gradient and hands none on."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, anchor: Tensor) -> Tensor:
        # a new tensor, so that the next layer may work in place
        return h.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None]:
        return None, None
