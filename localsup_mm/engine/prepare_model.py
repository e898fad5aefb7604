"""Making a model ready to be trained by local losses."""

from torch import nn

from ..supervision import set_normalization
from .checks import check_model
from .model_wrapper import unwrap_model

__all__ = ['prepare_model']


def prepare_model(model: nn.Module) -> None:
    """Check a model, and tell its decoders how images are normalized.

    Decoders without a mean and a standard deviation of their own get those
    of the data preprocessor.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.

    Raises:
        SetupError: If no backbone is locally supervised, or a decoder does
            not know how images are normalized.
        TypeError: If the wrapper would leave gradients unsynchronized.
    """
    check_model(model)
    model = unwrap_model(model)
    set_normalization(model, getattr(model, 'data_preprocessor', None))
