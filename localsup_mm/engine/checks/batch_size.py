"""Sizes of batches that a training will draw."""

from typing import Optional

from mmengine.dataset import DefaultSampler
from mmengine.dist import all_gather_object
from mmengine.runner import BaseLoop, EpochBasedTrainLoop
from torch.utils.data import DataLoader

from ...errors import SetupError

__all__ = ['check_as_many_batches', 'find_smallest_batch']


def find_smallest_batch(loader: DataLoader) -> Optional[int]:
    """Find the smallest batch of a process, the last of an epoch included.

    Args:
        loader (DataLoader): The loader of the training data.

    Returns:
        int: Number of images; None where a sampler draws batches by itself.
    """
    batch = loader.batch_size
    if (
        batch
        and isinstance(loader.sampler, DefaultSampler)
        and not loader.drop_last
    ):
        return len(loader.sampler) % batch or batch
    return batch


def check_as_many_batches(loop: BaseLoop) -> None:
    """Check that all processes have as many batches in an epoch.

    Otherwise those with more would wait for the others, at its end.

    Args:
        loop (BaseLoop): A train loop.

    Raises:
        SetupError: In all processes, if they have not.
    """
    if not isinstance(loop, EpochBasedTrainLoop):
        return  # others begin anew, each by itself
    numbers = all_gather_object(len(loop.dataloader))
    if len({*numbers}) > 1:
        raise SetupError(
            '`train_dataloader` should have as many batches in each process, '
            f'but got {numbers}. Set round_up=True in its sampler, or '
            'drop_last=True.'
        )
