"""Timing of steps in turns, so that a busy machine slows all alike."""

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ['ratio_quartiles', 'time_in_turns']


def time_in_turns(
    steps: dict[str, Callable], batch: dict, num_rounds: int
) -> dict[str, list[float]]:
    """Time steps in turns, forwards and backwards alternately.

    Args:
        steps (dict[str, Callable]): The steps by name; each trains on a
            batch.
        batch (dict): A batch as a data loader yields it.
        num_rounds (int): The number of rounds; each step runs once in each.

    Returns:
        dict[str, list[float]]: Seconds, one a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    shown = time.monotonic()
    for i in range(num_rounds):
        for name in list(steps) if i % 2 == 0 else reversed(steps):
            begin = time.perf_counter()
            steps[name](batch)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - begin)
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                print(
                    f'[{i + 1}/{num_rounds}] {name}: '
                    f'{seconds[name][-1]:.2f} s',
                    flush=True,
                )
    return seconds


def ratio_quartiles(
    seconds: list[float], reference: list[float]
) -> tuple[float, float, float]:
    """Compute quartiles of the ratio of two times, taken round by round.

    Args:
        seconds (list[float]): The times of at least two rounds.
        reference (list[float]): The times of the same rounds to compare
            with.

    Returns:
        tuple[float, float, float]: Lower quartile, median, upper quartile.
    """
    ratios = [a / b for a, b in zip(seconds, reference, strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4, method='inclusive')
    return low, median, high
