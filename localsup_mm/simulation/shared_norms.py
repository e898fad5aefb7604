"""Batch norms that processes share, where one process is simulated."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..replaced_method import replaced_method
from ..upstream import RevertedSyncNorm

__all__ = ['note_shared_norms', 'shared_norms_allowed']


def note_shared_norms(model: nn.Module) -> None:
    """Warn that a batch of one image counts on batch norms being shared.

    Args:
        model (nn.Module): A model for one process, see
            :func:`build_host_model`.
    """
    if _find_shared_norms(model):
        print_log(
            '`batch_size` is 1 and batch norms are shared by processes '
            '(SyncBN): the training is counted as that of one of several. '
            'On one device alone, a batch norm of 1 x 1 features would fail.',
            logger='current',
            level=logging.WARNING,
        )


@contextmanager
def shared_norms_allowed(model: nn.Module) -> Iterator[None]:
    """Let batch norms that were shared take one value of each channel.

    torch refuses that of a batch norm, but not of SyncBN in several
    processes, each of which has a batch of one image.

    Args:
        model (nn.Module): A model whose SyncBN was replaced.

    Yields:
        None: While they take it.
    """
    with ExitStack() as stack:
        for norm in _find_shared_norms(model):
            forward = partial(_normalize, norm)
            stack.enter_context(replaced_method(norm, 'forward', forward))
        yield


def _find_shared_norms(model: nn.Module) -> list[RevertedSyncNorm]:
    return [m for m in model.modules() if isinstance(m, RevertedSyncNorm)]


def _normalize(norm: RevertedSyncNorm, feats: Tensor) -> Tensor:
    """Do as its forward pass does, but take a single value, too."""
    # one value has no variance; with given statistics it takes no other bytes
    has_variance = feats.numel() > feats.size(1)
    return torch.batch_norm(
        feats,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        has_variance and (norm.training or norm.running_mean is None),
        norm.momentum,
        norm.eps,
        False,
    )
