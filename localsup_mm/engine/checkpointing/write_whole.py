"""Writing a file whole or not at all."""

import errno
import os
from typing import Union

__all__ = ['write_whole']

# they say that what was written has not arrived
_LOST = (errno.EIO, errno.ENOSPC, getattr(errno, 'EDQUOT', errno.ENOSPC))


def write_whole(path: Union[str, os.PathLike], data: bytes) -> None:
    """Write a file beside the one of a path, then rename it.

    After an error, or a crash, the file that was there is as it was.

    Args:
        path (str | os.PathLike): The path; its folders are made.
        data (bytes): The content of the file.
    """
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    partial_path = f'{path}.partial'
    try:
        with open(partial_path, 'wb') as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())
        os.replace(partial_path, path)
    finally:
        if os.path.exists(partial_path):
            os.remove(partial_path)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some file systems refuse it, and are as good without
        if error.errno in _LOST:
            raise
