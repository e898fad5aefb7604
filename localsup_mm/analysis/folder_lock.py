"""A lock on the folder of a training."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ['locked']


@contextmanager
def locked(run: Path) -> Iterator[int]:
    """Hold the lock of a folder; no two processes train in it.

    A process that inherits the file keeps the lock as long as it lives, so a
    training that outlives the command that began it is not begun twice. It
    ends with the process, however that ends.

    Args:
        run (Path): The folder of the training.

    Yields:
        int: The descriptor of the locked file, to be inherited.

    Raises:
        RuntimeError: If another process holds it.
    """
    descriptor = os.open(run / '.lock', os.O_RDWR | os.O_CREAT)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RuntimeError(
                    f'`--work-dir` should have no other training in {run}, '
                    'but another process trains there. Wait until it ends, '
                    'or end it.'
                ) from None
        yield descriptor
    finally:
        os.close(descriptor)
