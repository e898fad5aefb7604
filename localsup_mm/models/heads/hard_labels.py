"""Labels of a batch, for losses that compare classes."""

from collections.abc import Sequence
from typing import Any, Union

import torch
from torch import Tensor

__all__ = ['stack_hard_labels']


def stack_hard_labels(
    data_samples: Union[Tensor, Sequence[Any]], head: str
) -> Tensor:
    """Return the class of each image.

    Args:
        data_samples (Tensor | Sequence[DataSample]): The classes themselves,
            ``(B,)``, or data samples with a ``gt_label`` of shape ``(1,)``
            each.
        head (str): The head that asks, for the message.

    Returns:
        Tensor: ``(B,)``, integers.

    Raises:
        ValueError: If the labels are soft (mixup, CutMix).
    """
    if isinstance(data_samples, Tensor):
        return data_samples
    for sample in data_samples:
        if 'gt_score' in sample:
            raise ValueError(
                f'`data_samples` should have hard labels for {head}, but got '
                f'gt_score {sample.gt_score.tolist()}. Remove mixup and '
                'CutMix from data_preprocessor.batch_augments.'
            )
    return torch.cat([sample.gt_label for sample in data_samples])
