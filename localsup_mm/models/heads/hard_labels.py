"""Labels of a batch, for losses that compare classes."""

from typing import Any

import torch
from torch import Tensor

__all__ = ['stack_hard_labels']


def stack_hard_labels(data_samples: list[Any], head: str) -> Tensor:
    """The class of each image.

    Args:
        data_samples (list[DataSample]): With a ``gt_label`` of shape
            ``(1,)`` each.
        head (str): Who asks, for the message.

    Returns:
        Tensor: ``(B,)``, integers.

    Raises:
        ValueError: If the labels are soft (mixup, CutMix).
    """
    for sample in data_samples:
        if 'gt_score' in sample:
            raise ValueError(
                f'`data_samples` should have hard labels for {head}, but got '
                f'gt_score {sample.gt_score.tolist()}. Remove mixup and '
                'CutMix from data_preprocessor.batch_augments.'
            )
    return torch.cat([sample.gt_label for sample in data_samples])
