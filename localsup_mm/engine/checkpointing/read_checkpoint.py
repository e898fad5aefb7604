"""Reading a checkpoint without trusting it."""

import os.path as osp
import pickle
import re
from collections.abc import Callable
from typing import Any

import torch

from .load_inert import load_inert

__all__ = ['read_checkpoint', 'read_weights']


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint; whatever code it holds is not run.

    Args:
        path (str): A file on this machine.

    Returns:
        dict[str, Any]: Its content, tensors on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, no checkpoint, or holds more than
            tensors and plain data.
    """
    return _read(path, torch.load)


def read_weights(path: str) -> dict[str, Any]:
    """Read the weights of a checkpoint, and what else is plain data.

    Args:
        path (str): A file on this machine.

    Returns:
        dict[str, Any]: Its content, without what :func:`read_checkpoint`
        would refuse it for.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, no checkpoint, or its weights are
            more than tensors.
    """
    return _read(path, load_inert)


def _read(path: str, load: Callable) -> dict[str, Any]:
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'`checkpoint` should be an existing file, but got {path!r}. '
            'See the work_dir of the training for its iter_*.pth.'
        )
    try:
        checkpoint = load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        reason = re.search(
            r'(?i)unsupported (global|class).*?(?=\.\s|\n|$)', str(error)
        )
        if reason is None:
            raise ValueError(
                '`checkpoint` should be a file that torch.save wrote, but '
                f'got {path!r}. Download it again, or choose another.'
            ) from None
        raise ValueError(
            '`checkpoint` should hold tensors and plain data only, but got '
            f'{path!r}, which was refused: {reason[0]}. Nothing of it was '
            'executed. Train with default_hooks=dict(checkpoint=dict(type='
            "'SafeCheckpointHook')) to write plain data."
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        if 'TORCH_FORCE' in str(error):  # two variables contradict each other
            raise
        raise ValueError(
            '`checkpoint` should be a whole checkpoint, but got '
            f'{path!r}, which cannot be read ({_first_line(error)}). It is '
            'truncated or corrupt: use the one before it, and write its path '
            "to the work_dir's last_checkpoint to resume from it."
        ) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(
            '`checkpoint` should hold a dict, but got '
            f'{type(checkpoint).__name__} in {path!r}. Save one with '
            'mmengine, or a state dict.'
        )
    return checkpoint


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error) else repr(error)
