"""A module that computes something else for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ['replaced_method']


@contextmanager
def replaced_method(
    module: nn.Module, name: str, method: Callable
) -> Iterator[None]:
    """Let a module compute something else for a while.

    Args:
        module (nn.Module): The module whose method is replaced; its hooks
            stay.
        name (str): Name of the method, e.g. ``'forward'``.
        method (Callable): The function that is called instead.

    Yields:
        None: While it is replaced.
    """
    # an instance may have one of its own already, e.g. a checkpointed one
    own = vars(module).get(name)
    setattr(module, name, method)
    try:
        yield
    finally:
        if own is None:
            delattr(module, name)
        else:
            setattr(module, name, own)
