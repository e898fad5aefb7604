"""Finding the checkpoint to resume from."""

import logging
import os
import os.path as osp
from collections.abc import Iterator
from glob import escape, glob
from typing import Optional

from mmengine.logging import print_log
from mmengine.runner import find_latest_checkpoint

from .read_checkpoint import read_checkpoint

__all__ = ['check_resumable', 'find_resumable']


def check_resumable(path: str) -> None:
    """Check that a training can be resumed from a file.

    Args:
        path (str): The file.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is damaged or unsafe, or holds weights only.
    """
    lacking = {'meta', 'message_hub', 'optimizer'} - read_checkpoint(
        path
    ).keys()
    if lacking:
        raise ValueError(
            '`--resume` should go with a checkpoint of a training, but got '
            f'{path!r} without {sorted(lacking)}. To start from its weights '
            f'use --cfg-options load_from={path}'
        )


def find_resumable(work_dir: str) -> Optional[str]:
    """Find the newest whole checkpoint of a work dir.

    That is the one its ``last_checkpoint`` names. Where that is damaged or
    missing, it is passed over with a warning, and so are others.

    Args:
        work_dir (str): The work dir of a training.

    Returns:
        str | None: Its path, or None if there is no checkpoint at all.

    Raises:
        FileNotFoundError: If there is none but the named one is missing.
        ValueError: If one is named, but none of them can be resumed from.
    """
    # a process that was killed while it wrote the name leaves none
    named = find_latest_checkpoint(work_dir) or None
    if named and '://' in named:
        return named  # where it lies is the host's business
    errors: list[Exception] = []
    for path in _find_candidates(work_dir, named):
        try:
            check_resumable(path)
        except (ValueError, FileNotFoundError) as error:
            errors.append(error)
            continue
        for error in errors:
            print_log(
                f'--resume goes on from {path!r}, since a newer one was no '
                f'choice: {error}',
                logger='current',
                level=logging.WARNING,
            )
        return path
    if named:
        raise errors[0]
    return None


def _find_candidates(work_dir: str, named: Optional[str]) -> Iterator[str]:
    """The named one, then those in the work dir, the newest first."""
    if named:
        yield named
    paths = glob(osp.join(escape(work_dir), '*.pth'))
    for path in sorted(paths, key=os.path.getmtime, reverse=True):
        # the best ones hold weights only
        is_named = named and osp.abspath(named) == osp.abspath(path)
        if not is_named and not osp.basename(path).startswith('best_'):
            yield path
