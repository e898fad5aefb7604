"""A check that a work dir can be written to."""

import os
import tempfile

__all__ = ['check_work_dir']


def check_work_dir(work_dir: str) -> None:
    """Fail before anything is built if logs and checkpoints have no place.

    Args:
        work_dir (str): The folder; it is made. Of several processes the
            first one alone writes to it.

    Raises:
        ValueError: If it cannot be made, or nothing can be written there.
    """
    ranks = {os.environ.get(name, '0') for name in ('RANK', 'SLURM_PROCID')}
    if ranks != {'0'}:
        return
    try:
        os.makedirs(work_dir, exist_ok=True)
        with tempfile.TemporaryFile(dir=work_dir) as file:
            file.write(bytes(2**16))
    except OSError as error:
        raise ValueError(
            '`work_dir` should be a folder that takes files, but got '
            f'{work_dir!r} ({error.strerror}). Make room or set --work-dir.'
        ) from error
