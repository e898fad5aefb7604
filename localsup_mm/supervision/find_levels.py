"""The levels of the pyramid so far."""

from collections.abc import Sequence

from ..tracing import Boundary

__all__ = ['find_levels']


def find_levels(
    earlier: Sequence[Boundary], boundary: Boundary, min_stride: int
) -> tuple[int, ...]:
    """Find the last earlier boundary of each stride finer than this one's.

    Args:
        earlier (Sequence[Boundary]): The boundaries before this one.
        boundary (Boundary): This one.
        min_stride (int): The finest stride of a level.

    Returns:
        tuple[int]: Their indices, finest first.
    """
    last = {b.stride: i for i, b in enumerate(earlier)}
    return tuple(
        i
        for stride, i in sorted(last.items())
        if min_stride <= stride < boundary.stride
    )
