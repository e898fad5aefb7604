"""Telling decoders how images were normalized."""

from typing import Optional

import torch
from torch import nn

from ..errors import SetupError

__all__ = ['set_normalization']


def set_normalization(
    model: nn.Module, preprocessor: Optional[nn.Module]
) -> None:
    """Tell decoders how images are normalized, where they do not know.

    Args:
        model (nn.Module): The model that has the decoders.
        preprocessor (nn.Module, optional): The host's data preprocessor, or
            one around it, as semi-supervised models have.

    Raises:
        SetupError: If there is none, and a decoder does not know.
    """
    mean = std = None
    if preprocessor is not None:
        # where none has them, pixel values are handed on as they are
        mean, std = torch.zeros(1), torch.ones(1)
        for module in preprocessor.modules():
            if getattr(module, 'mean', None) is not None:
                mean, std = module.mean, module.std
                break
    for module in model.modules():
        is_decoder = hasattr(module, 'set_normalization')
        if is_decoder and module.mean is None:
            if mean is None or std is None:
                raise SetupError(
                    f'`mean` and `std` of {type(module).__name__} should be '
                    f'given where {type(model).__name__} has no data '
                    'preprocessor, but got None. Pass both.'
                )
            module.set_normalization(mean.flatten(), std.flatten())
