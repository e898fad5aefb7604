"""Reading the weights of a checkpoint that holds other things as well."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

import torch
from mmengine.logging import print_log

from .plain_data import NOT_PLAIN, to_plain

__all__ = ['load_inert', 'weights_suffice']

# keys of weights, in checkpoints of mmengine and of others
_WEIGHTS = {'state_dict', 'ema_state_dict', 'model'}
_load = torch.load


def load_inert(file: Any, *args: Any, **kwargs: Any) -> Any:
    """Load a checkpoint, and leave out what is no plain data.

    Whatever it names, a class or a function, is never looked up: something
    that does nothing stands for it. So a published checkpoint with the log of
    its training, say, can be used. This needs torch 2.6; before, such a file
    is refused.

    Args:
        file (Any): A path or an open file.
        *args: Further arguments of ``torch.load``.
        **kwargs: Further arguments of ``torch.load``.

    Returns:
        Any: Its content.

    Raises:
        pickle.UnpicklingError: If its weights themselves are no tensors.
    """
    start = file.tell() if hasattr(file, 'tell') else None
    try:
        return _load(file, *args, **kwargs)
    except pickle.UnpicklingError:
        names = _find_names(file, start)
        if not names:
            raise
        with torch.serialization.safe_globals(
            [(_Inert, name) for name in names]
        ):
            kept = _keep_plain(_load(file, *args, **kwargs))
        if kept is None:
            raise
    print_log(
        f'Nothing but weights and plain data was read from {file!r}, which '
        f'also holds {", ".join(sorted(names)[:3])}.',
        logger='current',
    )
    return kept


@contextmanager
def weights_suffice() -> Iterator[None]:
    """Let whoever loads a checkpoint get what :func:`load_inert` gives.

    Yields:
        None: While this is so.
    """
    torch.load = load_inert  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.load = _load


class _Inert:
    """A thing that does nothing, whatever a checkpoint calls it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> '_Inert':
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _find_names(file: Any, start: Optional[int]) -> list[str]:
    find = getattr(
        torch.serialization, 'get_unsafe_globals_in_checkpoint', None
    )
    try:
        if start is not None:
            file.seek(start)
        names = [] if find is None else find(file)
    except (ValueError, RuntimeError):  # of another format
        return []
    finally:
        if start is not None:
            file.seek(start)
    return names


def _keep_plain(checkpoint: Any) -> Optional[dict]:
    """Drop what is not plain; None if that is among the weights."""
    if not isinstance(checkpoint, dict):
        return None
    kept = {}
    for key, value in checkpoint.items():
        if isinstance(value, dict) and key in _WEIGHTS:
            if any(isinstance(v, _Inert) for v in value.values()):
                return None
            kept[key] = value  # with the versions of its layers
        elif (plain := to_plain(value)) is not NOT_PLAIN:
            kept[key] = plain
    return kept if kept.keys() & _WEIGHTS else None
