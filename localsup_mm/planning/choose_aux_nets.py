"""Aux nets of a size that fits the network."""

import logging
from collections.abc import Sequence

from ..simulation import Workload
from ..supervision import BlockCopier
from ..tracing import Boundary
from .aux_cost import measure_everywhere
from .memory_model import MemoryModel
from .search import find_choices, keep_lowest
from .stretches import StepProfile

__all__ = ['choose_aux_nets']

_LOGGER = logging.getLogger(__name__)


def choose_aux_nets(
    workload: Workload,
    profile: StepProfile,
    places: Sequence[tuple[Boundary, BlockCopier]],
    sizes: Sequence[dict],
    max_extra_macs: float = 0.06,
    num_local_modules: int = 6,
) -> tuple[dict, MemoryModel]:
    """Take the largest aux nets that add little to the forward pass.

    Args:
        workload (Workload): The training that is planned for.
        profile (StepProfile): Its end-to-end iteration.
        places (Sequence[tuple[Boundary, BlockCopier]]): The candidates of the
            profile, each with what copies the blocks behind it.
        sizes (Sequence[dict]): Aux nets from large to small, as
            :func:`expand_local_modules` takes them. The last ones are taken
            if none adds little enough.
        max_extra_macs (float): Limit of the multiply-accumulates that they
            add, as a fraction of the network's. Defaults to 0.06.
        num_local_modules (int): The largest K for whose plan of the lowest
            memory this has to hold, and for all smaller ones. Defaults to 6.

    Returns:
        tuple[dict, MemoryModel]: The aux nets, and the model of the memory
        that any boundaries need with them.
    """
    limit = max_extra_macs * profile.macs
    most = min(num_local_modules, len(profile.names) + 1)
    for i, aux_nets in enumerate(sizes, 1):
        _LOGGER.info(f'aux nets at each place, size {i} of {len(sizes)}')
        memory_model = _model_memory(workload, profile, places, aux_nets)
        if len(sizes) == 1 or all(
            _find_macs(memory_model, k) <= limit for k in range(most, 1, -1)
        ):
            break
    return aux_nets, memory_model


def _model_memory(
    workload: Workload,
    profile: StepProfile,
    places: Sequence[tuple[Boundary, BlockCopier]],
    aux_nets: dict,
) -> MemoryModel:
    features = [s.features for s in profile.stretches if s.features]
    # weights of losses cost nothing
    parts = {k: v for k, v in aux_nets.items() if k != 'loss_weights'}
    costs = measure_everywhere(
        workload,
        [(*place, shape) for place, shape in zip(places, features)],
        parts,
    )
    return MemoryModel(profile, costs, workload.step_each_module)


def _find_macs(memory_model: MemoryModel, num_local_modules: int) -> int:
    """Find what aux nets add in the plan of the lowest memory."""
    choice = keep_lowest(find_choices(memory_model, num_local_modules))[-1]
    return sum(memory_model.aux_cost(place).macs for place in choice.places)
