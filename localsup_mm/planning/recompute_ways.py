"""Ways to compute some of a stretch again, and what they need."""

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from ..recomputation import recompute_modules
from ..simulation import Workload
from ..simulation.clear_frames import clear_frames
from .recompute_units import find_units
from .stretches import StepProfile, Stretch

__all__ = ['RECOMPUTE', 'add_ways']

_LOGGER = logging.getLogger(__name__)

# what may be computed again: kinds of `recompute`, by the name of a choice
RECOMPUTE = {'none': (), 'cheap': ('cheap',), 'any': ('cheap', 'full')}


def add_ways(
    workload: Workload,
    profile: StepProfile,
    recompute: str,
    run: Callable[[Workload], StepProfile],
) -> None:
    """Run an iteration for each way to compute again, and note what it takes.

    There is one for each kind and for units as well as for their parts. In
    each all stretches compute again; what one of them needs is taken to
    depend on no other.

    Args:
        workload (Workload): The training that is planned for.
        profile (StepProfile): Its iteration. The ``ways`` of its stretches
            are set.
        recompute (str): A key of ``RECOMPUTE``.
        run (Callable): Function that profiles an iteration at the same
            places.
    """
    units = find_units(workload.model, profile.calls)
    num_cuts = len(profile.names)
    for level, size in enumerate(('whole', 'in parts')):
        names = {i: units[i][level] for i in units if units[i][level]}
        for kind in RECOMPUTE[recompute] if names else ():
            _LOGGER.info(f'recomputing all, {kind}, {size}')
            behind = [i for i in names if i >= num_cuts]
            inside = {i: names[i] for i in names if i not in behind}
            # a head may not bear it
            for chosen in filter(None, (names, inside)):
                ways = _try(workload, profile, kind, chosen, run)
                if ways:
                    break
                _LOGGER.info('some of it cannot run twice')
            for position, way in ways.items():
                profile.stretches[position].ways.append(way)


def _try(
    workload: Workload,
    profile: StepProfile,
    kind: str,
    names: Mapping[int, Sequence[str]],
    run: Callable[[Workload], StepProfile],
) -> dict[int, Stretch]:
    """Return the stretches that compute again, by position."""
    model = copy.deepcopy(workload.model)
    # an optimizer whose state takes no time, of which nothing is read here
    sgd = partial(torch.optim.SGD, lr=0.1)
    changed = replace(workload, model=model, make_optimizer=sgd)
    everything = [name for group in names.values() for name in group]
    recompute_modules(model, {kind: everything})
    try:
        stretches = run(changed).stretches
    except (RuntimeError, ValueError) as error:
        _LOGGER.debug(error)
        clear_frames(error)
        return {}
    if len(stretches) != len(profile.stretches):
        return {}
    return {
        position: replace(
            stretches[position],
            recompute={kind: list(group)},
            held=profile.find_arguments(group),
        )
        for position, group in names.items()
    }
