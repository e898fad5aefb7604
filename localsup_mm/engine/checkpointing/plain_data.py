"""Turning a training's state into plain data."""

from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

__all__ = ['to_plain']


def to_plain(value: Any) -> Any:
    """Turn a value into one that ``torch.load(weights_only=True)`` takes.

    An entry of a dict that is not plain is left out: what is resumed keeps
    the one it was built with, e.g. a scheduler its functions.
    """
    if isinstance(value, HistoryBuffer):
        history, counts = value.data
        return dict(
            log_history=history[-value.max_length :].tolist(),
            count_history=counts[-value.max_length :].tolist(),
            max_length=value.max_length,
        )
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        plain = {k: to_plain(v) for k, v in value.items()}
        return {k: v for k, v in plain.items() if v is not NOT_PLAIN}
    if isinstance(value, (list, tuple)):
        items = [to_plain(v) for v in value]
        if any(item is NOT_PLAIN for item in items):
            return NOT_PLAIN
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, _PLAIN_TYPES):
        return value
    return NOT_PLAIN


NOT_PLAIN = object()
_PLAIN_TYPES = (
    bool,
    int,
    float,
    str,
    bytes,
    torch.Tensor,
    torch.dtype,
    torch.device,
)
