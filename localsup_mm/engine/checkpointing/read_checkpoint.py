"""Reading a checkpoint without trusting it."""

import logging
import os.path as osp
import pickle
import re
import zipfile
from collections.abc import Callable
from typing import Any, Optional

import torch
from mmengine.logging import print_log

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
        ValueError: If it is truncated, damaged, no checkpoint, or holds more
            than tensors and plain data.
    """
    checkpoint, damage = _read(path, torch.load)
    if damage is not None:
        raise ValueError(damage)
    return checkpoint


def read_weights(path: str) -> dict[str, Any]:
    """Read the weights of a checkpoint, and what else is plain data.

    Where it is damaged, though torch can read it, there is a warning.

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
    checkpoint, damage = _read(path, load_inert)
    if damage is not None:
        print_log(damage, logger='current', level=logging.WARNING)
    return checkpoint


def _read(path: str, load: Callable) -> tuple[dict[str, Any], Optional[str]]:
    """Read a file; also tell what is wrong with what could be read."""
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
        damage = f'cannot be read ({_first_line(error)})'
        raise ValueError(_explain(path, damage)) from None
    if not isinstance(checkpoint, dict):
        raise ValueError(
            '`checkpoint` should hold a dict, but got '
            f'{type(checkpoint).__name__} in {path!r}. Save one with '
            'mmengine, or a state dict.'
        )
    record = _find_damaged_record(path)
    if record is None:
        return checkpoint, None
    return checkpoint, _explain(
        path, f'is damaged: the checksum of {record!r} is wrong'
    )


def _find_damaged_record(path: str) -> Optional[str]:
    """Name a part of a file whose checksum is wrong; torch looks at none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except zipfile.BadZipFile:  # torch's older format has no checksums
        return None


def _explain(path: str, damage: str) -> str:
    return (
        f'`checkpoint` should be a whole checkpoint, but got {path!r}, which '
        f'{damage}. Use the one before it, or --resume without a path, '
        'which takes the newest whole one of the work dir.'
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error) else repr(error)
