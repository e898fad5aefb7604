"""Heads as their hosts know them: losses and labels."""

from typing import Any, Optional

from mmengine.registry import DefaultScope
from torch import nn

from .host import Host
from .known_hosts import known_hosts

__all__ = ['compute_head_loss', 'reads_classes']


def compute_head_loss(
    head: nn.Module, feats: tuple, data_samples: Any
) -> dict:
    """Compute the losses of an aux head.

    Args:
        head (nn.Module): A head of any host or of this package.
        feats (tuple[Tensor]): Features, as the head takes them.
        data_samples (Any): Labels of the batch.

    Returns:
        dict: The losses, and other values that the head logs.

    Raises:
        RuntimeError: If there are no labels, and the head needs some.
    """
    host = _find_owner(head)
    try:
        if host is None:
            return head.loss(feats, data_samples)
        return host.compute_head_loss(head, feats, data_samples)
    except (AttributeError, TypeError) as error:
        if data_samples is not None:
            raise
        raise RuntimeError(
            f'`data_samples` should be the labels that {type(head).__name__} '
            'learns from, but got None. In a loop of your own write '
            'LocalStep(backward, data_samples=labels).'
        ) from error


def reads_classes(head: nn.Module) -> bool:
    """Tell whether a head fails for labels beyond its ``num_classes``.

    Args:
        head (nn.Module): A head of any host or of this package.

    Returns:
        bool: See :meth:`Host.reads_classes`.
    """
    host = _find_owner(head)
    return host is None or host.reads_classes(head)


def _find_owner(head: nn.Module) -> Optional[Host]:
    """Find the host whose package has the class of a head, or a base of it.

    A head of no host's package is one of the network that is trained.
    """
    hosts = known_hosts()
    for cls in type(head).__mro__:
        package = cls.__module__.split('.')[0]
        if package in hosts:
            return hosts[package]
    scope = DefaultScope.get_current_instance()
    return hosts.get(scope.scope_name) if scope else None
