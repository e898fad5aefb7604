"""The losses of one aux head or several."""

from typing import Any

from mmengine.model import ModuleList
from torch import Tensor, nn

from ..hosts import compute_head_loss

__all__ = ['compute_losses']


def compute_losses(
    aux_head: nn.Module, feats: tuple[Tensor, ...], data_samples: Any
) -> dict[str, Tensor]:
    """Compute the losses of an aux head, or of a list of them.

    Args:
        aux_head (nn.Module): The head, or a ``ModuleList`` of several.
        feats (tuple[Tensor]): Features, as the heads take them.
        data_samples (Any): Labels of the batch.

    Returns:
        dict[str, Tensor]: The losses of all, and what they log besides.

    Raises:
        ValueError: If two of them have losses of the same name.
    """
    losses: dict[str, Tensor] = {}
    heads = aux_head if isinstance(aux_head, ModuleList) else [aux_head]
    for head in heads:
        found = compute_head_loss(head, feats, data_samples)
        # 'loss' is the host's name for the sum, in the log
        new = {
            'loss_task' if key == 'loss' else key: value
            for key, value in found.items()
        }
        if not losses.keys().isdisjoint(new):
            raise ValueError(
                '`aux_head` should have heads whose losses have '
                f'different names, but got {list(losses)} and '
                f'{list(new)} of {type(head).__name__}. Leave one of '
                'these heads out.'
            )
        losses.update(new)
    return losses
