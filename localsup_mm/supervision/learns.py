"""Whether a part of a model is to be trained, as of now."""

from torch import nn

__all__ = ['learns']


def learns(module: nn.Module) -> bool:
    """Tell whether a parameter of a module requires a gradient.

    It may change from one iteration to the next. A frozen copy of a
    backbone, such as a teacher or a momentum encoder, does not learn.

    Args:
        module (nn.Module): A backbone, say, or a local module.

    Returns:
        bool: Whether one does.
    """
    return any(p.requires_grad for p in module.parameters())
