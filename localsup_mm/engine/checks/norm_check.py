"""A check that no BatchNorm gets a single value of each channel."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from mmengine.dist import get_world_size
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.hooks import RemovableHandle

from ...errors import SetupError
from ...upstream import BatchNorm
from .batch_size import find_smallest_batch

__all__ = ['check_norms']


def check_norms(
    model: nn.Module, loader: DataLoader, iters_left: int
) -> list[RemovableHandle]:
    """Check in the first iteration that each BatchNorm can do the smallest.

    torch refuses a batch of one image where features are 1 x 1, as behind
    global pooling. With a last batch of one it does so after an epoch.

    Args:
        model (nn.Module): The bare model.
        loader (DataLoader): The loader of the training data.
        iters_left (int): Number of iterations to train.

    Returns:
        list[RemovableHandle]: Handles to be removed after that iteration.
        The forward pass raises a SetupError before.
    """
    batch = loader.batch_size
    if find_smallest_batch(loader) != 1 or batch is None:
        return []
    size = 'batches of 1'
    if batch > 1:
        if iters_left < len(loader):
            return []
        number = len(loader.sampler)
        batch = min(batch, number)
        size = f'batches of {batch}, so that the last of {number} is alone'
    return [
        module.register_forward_pre_hook(partial(_check, name, batch, size))
        for name, module in model.named_modules()
        if isinstance(module, BatchNorm)
        and not (isinstance(module, nn.SyncBatchNorm) and get_world_size() > 1)
        # aux nets have their own way
        and 'local_supervision' not in name
    ]


def _check(
    name: str, batch: int, size: str, module: nn.Module, args: Sequence[Any]
) -> None:
    x = args[0]
    if module.training and x.numel() == batch * x.shape[1]:
        raise SetupError(
            '`train_dataloader` should have at least 2 images in each batch '
            f'for {type(module).__name__} {name!r}, whose features are 1 x 1, '
            f'but got {size}. Set drop_last=True, change batch_size, or use '
            'another norm.'
        )
