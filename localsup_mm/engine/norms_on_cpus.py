"""Batch norms that processes share, where they run on CPUs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import torch
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from ..upstream import BatchNorm

__all__ = ['replace_sync_norms', 'sync_norms_allowed']


class _NormOfProcess(BatchNorm):
    """A batch norm for inputs of any number of dimensions."""

    def _check_input_dim(self, input: torch.Tensor) -> None:
        pass


@contextmanager
def sync_norms_allowed() -> Iterator[None]:
    """Let Runners be built whose model has SyncBN, on CPUs, too.

    torch refuses it there. In several processes each then has a batch norm
    of its own, with a warning; mmengine does the same in a single one.

    Yields:
        None: While they are built.
    """
    wrap_model = Runner.wrap_model

    def wrap(
        runner: Runner, model_wrapper_cfg: Optional[dict], model: nn.Module
    ) -> nn.Module:
        on_cpus = is_distributed() and not torch.cuda.is_available()
        if on_cpus:
            number = replace_sync_norms(model)
            # the Runner would make them of plain ones
            asked: Any = runner.cfg.pop('sync_bn', None)
            if number or asked:
                print_log(
                    'Each process has batch norms of its own, since torch '
                    'has none on CPUs that processes share (SyncBN). '
                    'Statistics are of the batch of one process.',
                    logger='current',
                    level=logging.WARNING,
                )
        return wrap_model(runner, model_wrapper_cfg, model)

    Runner.wrap_model = wrap  # type: ignore[method-assign]
    try:
        yield
    finally:
        Runner.wrap_model = wrap_model  # type: ignore[method-assign]


def replace_sync_norms(model: nn.Module) -> int:
    """Turn SyncBN into batch norms, in place: hooks and references stay.

    Args:
        model (nn.Module): The model.

    Returns:
        int: How many there were.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    for norm in norms:
        norm.__class__ = _NormOfProcess
    return len(norms)
