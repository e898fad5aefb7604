"""Weights of losses in the configs of parts of hosts."""

from collections.abc import Sequence
from typing import Union

__all__ = ['weigh_losses']


def weigh_losses(
    part: Union[dict, Sequence[dict], None], weight: float
) -> Union[dict, Sequence[dict], None]:
    """Give the losses of a part their weight.

    A part keeps it in the config of its loss (``loss``, ``loss_decode``), or
    of each of its losses (``loss_cls``, ``loss_bbox``; a list), where its
    weight is multiplied; else, as the decoders and heads of this package, in
    ``loss_weight``.

    Args:
        part (dict | Sequence[dict], optional): Config of a decoder, of an aux
            head or of several; changed in place.
        weight (float): The weight.

    Returns:
        dict | Sequence[dict]: The config; None if the weight is 0.
    """
    if part is None or weight == 0:
        return None
    if not isinstance(part, dict):
        weighed = [weigh_losses(head, weight) for head in part]
        return [head for head in weighed if isinstance(head, dict)]
    losses = [
        loss
        for key, value in part.items()
        if key.startswith('loss')
        for loss in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(loss, dict)
    ]
    for loss in losses:
        # of several, each keeps its share
        share = loss.get('loss_weight', 1.0) if len(losses) > 1 else 1.0
        loss['loss_weight'] = weight * share
    if not losses:
        part['loss_weight'] = weight
    return part
