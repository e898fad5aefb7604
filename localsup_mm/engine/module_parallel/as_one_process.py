"""Code of hosts that takes this process for the only one."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

__all__ = ['as_one_process']


@contextmanager
def as_one_process() -> Iterator[None]:
    """Let hosts take this process for the only one.

    Samplers that are built meanwhile draw all data, and losses are averaged
    over this process alone. What torch itself does in other threads goes on.

    Yields:
        None: While they do so.
    """
    is_initialized = dist.is_initialized
    dist.is_initialized = lambda: False
    try:
        yield
    finally:
        dist.is_initialized = is_initialized
