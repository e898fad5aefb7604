"""Parts for images at features of clips, and the reverse."""

import re
from typing import Optional

from torch import nn

from ..tracing import Boundary

__all__ = ['blame_dims']

_KINDS = {
    2: 'images, (B, C, h, w)',
    3: 'clips of a video, (B, C, t, h, w)',
}


def blame_dims(local_module: nn.Module, error: Exception) -> None:
    """Explain an error of aux nets all of whose layers are of another kind.

    A part that runs is never refused: it may lay features out anew.

    Args:
        local_module (nn.Module): The :class:`LocalModule` whose loss failed.
        error (Exception): The error of that loss.

    Raises:
        ValueError: If a part is for images where there are clips, or for
            clips where there are images.
    """
    boundary: Boundary = local_module.boundary
    for argument, part in local_module.named_children():
        layer = _find_strange_layer(part, boundary.num_dims)
        if layer is not None:
            kind = _KINDS[boundary.num_dims]
            raise ValueError(
                f'`{argument}` at boundary {boundary.name!r} should take '
                f'features of {kind}, but got {type(part).__name__}, whose '
                f'{layer} is not for them. Choose a part for '
                f'{kind.split(",")[0]}.'
            ) from error


def _find_strange_layer(part: nn.Module, num_dims: int) -> Optional[str]:
    """Name a layer for other dimensions, if none is for these."""
    names = [type(module).__name__ for module in part.modules()]
    dims = {n: int(n[-2]) for n in names if re.search('[23]d$', n)}
    if num_dims in dims.values():
        return None
    return next(iter(dims), None)
