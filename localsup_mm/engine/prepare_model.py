"""Making a model ready to be trained by local losses."""

from torch import nn

from ..supervision import (
    find_supervised_backbones,
    learns,
    set_normalization,
)
from .checks import check_model
from .efficient_conv_bn import keep_hooks_in_traced_modules
from .model_wrapper import unwrap_model

__all__ = ['prepare_model']


def prepare_model(model: nn.Module) -> None:
    """Check a model, and tell its decoders how images are normalized.

    Decoders without a mean and a standard deviation of their own get those
    of the data preprocessor. Where several backbones learn, the names of
    their local modules in the log begin with that of the backbone.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.

    Raises:
        SetupError: If no backbone is locally supervised, or a decoder does
            not know how images are normalized.
        TypeError: If the wrapper would leave gradients unsynchronized.
    """
    check_model(model)
    model = unwrap_model(model)
    keep_hooks_in_traced_modules(model)
    set_normalization(model, getattr(model, 'data_preprocessor', None))
    learning = [*filter(learns, find_supervised_backbones(model))]
    names = {module: name for name, module in model.named_modules()}
    for backbone in learning:
        prefix = f'{names[backbone]}.' if len(learning) > 1 else ''
        for local_module in backbone.local_supervision.local_modules:
            local_module.name = f'{prefix}local_{local_module.index}'
