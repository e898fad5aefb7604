"""Writing a checkpoint made from another one."""

import os.path as osp
from io import BytesIO
from typing import Any

import torch

from .write_whole import write_whole

__all__ = ['check_destination', 'serialize', 'write_checkpoint']


def check_destination(src: str, dst: str, overwrite: bool) -> None:
    """Check that a file may be written.

    Args:
        src (str): The file that it is made from.
        dst (str): The file to write.
        overwrite (bool): Whether it may exist.

    Raises:
        FileExistsError: If it exists and may not.
        ValueError: If it is ``src``.
    """
    if osp.realpath(src) == osp.realpath(dst):
        raise ValueError(
            f'`dst` should be another file than `src`, but got {dst!r}. '
            'Give it a name of its own, and keep `src`.'
        )
    if not overwrite and osp.exists(dst):
        raise FileExistsError(
            f'`dst` should not exist yet, but got {dst!r}. Add --force to '
            'overwrite it.'
        )


def serialize(checkpoint: dict[str, Any]) -> bytes:
    """Write a checkpoint to memory.

    Args:
        checkpoint (dict[str, Any]): Its content.

    Returns:
        bytes: The content of a file.
    """
    # to a buffer: given a name, torch would write it into the file
    buffer = BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def write_checkpoint(path: str, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Args:
        path (str): The file.
        checkpoint (dict[str, Any]): Its content.
    """
    write_whole(path, serialize(checkpoint))
