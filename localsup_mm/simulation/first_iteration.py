"""The Runner's information that a loss may read, outside of a Runner."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MessageHub

__all__ = ['in_first_iteration']


@contextmanager
def in_first_iteration() -> Iterator[None]:
    """Let losses read that it is the first iteration of the first epoch.

    A Runner writes it into the message hub, e.g. for the head of TOOD, which
    assigns boxes in another way in the first epochs. What is there stays.

    Yields:
        None: While it is.
    """
    hub = MessageHub.get_current_instance()
    missing = [key for key in ('epoch', 'iter') if hub.get_info(key) is None]
    for key in missing:
        hub.update_info(key, 0)
    try:
        yield
    finally:
        for key in missing:
            hub.pop_info(key)
