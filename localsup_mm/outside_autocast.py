"""A backward in the middle of a forward pass in mixed precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ['outside_autocast']


@contextmanager
def outside_autocast(device_type: str) -> Iterator[None]:
    """Leave autocast for a while, and forget the weights it has cast.

    A host's backward runs behind autocast, when its cache is gone. Left
    there, the cast weights would live on, and reentrant checkpoints, which
    run forward without gradients, would fill it with copies that lead
    nowhere (torch 2.4; no longer in 2.12).

    Args:
        device_type (str): That of a tensor, e.g. ``'cuda'``; some devices
            have no autocast.

    Yields:
        None: While it is left.
    """
    torch.clear_autocast_cache()
    if torch.amp.is_autocast_available(device_type):
        with torch.autocast(device_type, enabled=False):
            yield
    else:
        yield
    torch.clear_autocast_cache()
