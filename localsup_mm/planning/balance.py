"""Boundaries for processes that train local modules at the same time."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..metering import MacCounter
from ..simulation import FakeStep, Workload
from .plan import Plan
from .planner import Planner

__all__ = ['balance_macs', 'plan_balanced']


def plan_balanced(planner: Planner, num_local_modules: int) -> Plan:
    """Choose the boundaries with which local modules take equally long.

    Time is taken to go with multiply-accumulates, those of the aux nets at
    the end of a local module included. A backward has twice those of
    its forward pass in all of them, so the forward pass tells. Layers that
    wait for memory rather than compute take longer than that.

    Args:
        planner (Planner): That of the network.
        num_local_modules (int): K.

    Returns:
        Plan: The boundaries, measured; its note says how even they are.

    Raises:
        ValueError: If there are not so many places to cut.
    """
    planner.check_number(num_local_modules)
    macs = count_macs(planner.workload, planner.names)
    aux = [
        planner.memory_model.aux_cost(place + 1).macs
        for place in range(len(planner.names))
    ]
    places = balance_macs(macs, aux, num_local_modules)
    shares = find_shares(macs, aux, places)
    text = ', '.join(f'{100 * share:.0f} %' for share in shares)
    plan = planner.evaluate([planner.names[place] for place in places])
    return replace(
        plan,
        note=f'of all MACs the local modules have {text}: '
        f'{num_local_modules} processes are at most '
        f'{1 / max(shares):.2f} times as fast as one',
    )


def count_macs(workload: Workload, names: Sequence[str]) -> list[int]:
    """Count the multiply-accumulates between candidate boundaries.

    Args:
        workload (Workload): The training; its model is plain.
        names (Sequence[str]): Candidate boundaries, in order.

    Returns:
        list[int]: Those of the forward pass up to each of them, from the one
        before, and of the rest, neck and heads included.
    """
    step = FakeStep(workload)
    passed: dict[str, int] = {}

    def note(name: str, *args: Any) -> None:
        passed.setdefault(name, counter.forward)

    handles = [
        step.model.backbone.get_submodule(name).register_forward_hook(
            partial(note, name)
        )
        for name in names
    ]
    with step.running(), MacCounter() as counter:
        step.compute_loss()
    for handle in handles:
        handle.remove()
    ends = [0, *(passed[name] for name in names), counter.forward]
    return [end - start for start, end in itertools.pairwise(ends)]


def balance_macs(
    macs: Sequence[int], aux: Sequence[int], num_local_modules: int
) -> tuple[int, ...]:
    """Find the places where the largest local module is the smallest.

    Args:
        macs (Sequence[int]): Multiply-accumulates between places, one more
            than there are places.
        aux (Sequence[int]): Those of the aux nets at each place.
        num_local_modules (int): K.

    Returns:
        tuple[int]: Indices of K - 1 places, in order; of equally good ones
        those with the fewest multiply-accumulates of aux nets.
    """
    before = [0]
    for number in macs:
        before.append(before[-1] + number)
    # by the number of places that are passed, what is best up to there
    best: dict[int, tuple[int, int, tuple[int, ...]]] = {0: (0, 0, ())}
    for k in range(1, num_local_modules + 1):
        is_last = k == num_local_modules
        found = {}
        ends = [len(macs)] if is_last else range(1, len(macs))
        for end in ends:
            extra = 0 if is_last else aux[end - 1]
            options = [
                (
                    max(largest, before[end] - before[start] + extra),
                    total + extra,
                    places if is_last else (*places, end - 1),
                )
                for start, (largest, total, places) in best.items()
                if start < end
            ]
            if options:
                found[end] = min(options)
        best = found
    return best[len(macs)][2]


def find_shares(
    macs: Sequence[int], aux: Sequence[int], places: Sequence[int]
) -> list[float]:
    """Find the part of all multiply-accumulates that each local module has.

    Args:
        macs (Sequence[int]): See :func:`balance_macs`.
        aux (Sequence[int]): See :func:`balance_macs`.
        places (Sequence[int]): Its result.

    Returns:
        list[float]: One for each of the K local modules.
    """
    starts = [0, *(place + 1 for place in places)]
    ends = [*starts[1:], len(macs)]
    extras = [*(aux[place] for place in places), 0]
    parts = [
        sum(macs[start:end]) + extra
        for start, end, extra in zip(starts, ends, extras)
    ]
    return [part / max(sum(parts), 1) for part in parts]
