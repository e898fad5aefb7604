"""Sizes of batches that a training will draw."""

from typing import Optional

from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader

__all__ = ['find_smallest_batch']


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
