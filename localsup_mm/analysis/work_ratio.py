"""How long moving bytes takes, beside multiply-accumulates."""

from collections.abc import Mapping
from statistics import median
from typing import Optional

import numpy as np

__all__ = ['fit_macs_per_byte']

# methods whose ratios of bytes to MACs differ by less tell nothing
_LEAST_SPREAD = 1.05


def fit_macs_per_byte(results: Mapping[str, Mapping]) -> Optional[float]:
    """Fit the MACs that take as long as a byte that other ops move.

    The time of a step is taken to be proportional to its multiply-accumulates
    and so many more for each byte, the same in all methods; relative errors
    are squared.

    Args:
        results (Mapping[str, Mapping]): The figures of each method, with
            ``step_macs``, ``moved_bytes`` and ``seconds``, one a round.

    Returns:
        float: The ratio, as the planner takes it; None where the methods do
        not tell, since they are too few or too much alike.

    Example:
        >>> times = dict(seconds=[1.0]), dict(seconds=[1.5])
        >>> fit_macs_per_byte(
        ...     dict(
        ...         e2e=dict(times[0], step_macs=800, moved_bytes=20),
        ...         cheap=dict(times[1], step_macs=800, moved_bytes=70),
        ...     )
        ... )
        10.0
    """
    timed = [r for r in results.values() if r.get('seconds')]
    ratios = [r['moved_bytes'] / r['step_macs'] for r in timed]
    if not ratios or max(ratios) < _LEAST_SPREAD * min(ratios):
        return None
    work = np.array([(r['step_macs'], r['moved_bytes']) for r in timed], float)
    scale = work.max(axis=0)
    work /= scale * np.array([[median(r['seconds'])] for r in timed])
    ones = np.ones(len(timed))
    per_mac, per_byte = np.linalg.lstsq(work, ones, rcond=None)[0] / scale
    if per_mac <= 0 or per_byte <= 0:
        return None
    return round(float(per_byte / per_mac), 6)
