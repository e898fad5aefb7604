"""Fronts of memory against time, and which of many points they keep."""

from typing import NamedTuple, Optional

__all__ = ['Point', 'keep_some', 'thin_out']

# Of ways to recompute a local module so many are kept, from low to high peaks.
_MAX_POINTS = 16


class Point(NamedTuple):
    """One way to recompute the stretches of a local module.

    Args:
        peak (int): Most bytes that live while it trains.
        time (float): Time of computing again, in multiply-accumulates.
        ways (tuple): One number for each stretch: 0 where nothing of it is
            computed again, and else that of one of its ``ways``, from 1.
    """

    peak: int
    time: float
    ways: tuple[int, ...]


def thin_out(points: list[Point], limit: Optional[int] = None) -> list[Point]:
    """Keep those that none is better than, and not too many.

    Args:
        points (list[Point]): Ways, in any order.
        limit (int, optional): Bytes that none of them exceeds. Defaults to
            None: there is no limit.

    Returns:
        list[Point]: Ways from the lowest peak to the least time.
    """
    kept: list[Point] = []
    for point in sorted(points):
        if not kept or point.time < kept[-1].time:
            kept.append(point)
    return keep_some(kept, _MAX_POINTS, limit is not None)


def keep_some(items: list, most: int, is_limited: bool) -> list:
    """Keep some of many, the first and the last of them.

    Args:
        items (list): From low to high peaks.
        most (int): How many are kept.
        is_limited (bool): Whether the highest peaks are close to a limit.
            Then more are kept of these, which take the least time.

    Returns:
        list: Those, in order.
    """
    last, steps = len(items) - 1, most - 1
    if last <= steps:
        return items
    power = 3 if is_limited else 1
    places = {
        last - round(last * (i / steps) ** power) for i in range(steps + 1)
    }
    return [items[i] for i in sorted(places)]
