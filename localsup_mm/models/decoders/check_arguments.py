"""The check of the arguments of a decoder."""

from collections.abc import Sequence
from typing import Optional, Union

__all__ = ['check_arguments']


def check_arguments(
    channels: Sequence[int],
    mean: Optional[Sequence[float]],
    std: Optional[Sequence[float]],
    target_stride: Union[int, str],
    frame_stride: Union[int, str],
) -> None:
    """Check arguments of :class:`ReconstructionDecoder`.

    Args:
        channels (Sequence[int]): See there.
        mean (Sequence[float], optional): See there.
        std (Sequence[float], optional): See there.
        target_stride (int | str): See there.
        frame_stride (int | str): See there.

    Raises:
        ValueError: If ``channels`` is empty, a stride is none, or one of
            ``mean`` and ``std`` is given without the other.
    """
    if len(channels) == 0:
        raise ValueError(
            '`channels` should name at least one hidden conv, but got '
            f'{channels!r}. The published values are (12,) and '
            '(128, 32, 12).'
        )
    if (mean is None) != (std is None):
        raise ValueError(
            '`mean` and `std` should be given together, but got '
            f'{mean!r} and {std!r}. Leave both out to take them from '
            'the data preprocessor.'
        )
    _check_stride('target_stride', target_stride)
    _check_stride('frame_stride', frame_stride)


def _check_stride(name: str, stride: Union[int, str]) -> None:
    if stride != 'feature' and not (isinstance(stride, int) and stride >= 1):
        raise ValueError(
            f"`{name}` should be at least 1, or 'feature', but got "
            f'{stride!r}. Leave it out to rebuild the image.'
        )
