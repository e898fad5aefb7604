"""Making a planner for one network."""

import logging
from collections.abc import Mapping, Sequence
from typing import Optional, Union

from ..errors import BoundaryError, InputSizeError
from ..simulation import Workload
from ..supervision import BlockCopier, LocalModule
from ..tracing import BackboneTrace, trace_backbone
from .candidates import find_candidates
from .choose_aux_nets import choose_aux_nets
from .memory_model import MACS_PER_BYTE, MemoryModel
from .planner import Planner
from .recompute_ways import RECOMPUTE, add_ways
from .search import BOUNDARY_TIME
from .step_recorder import profile_step

__all__ = ['make_planner']

_LOGGER = logging.getLogger(__name__)


def make_planner(
    workload: Workload,
    aux_nets: Union[dict, Sequence[dict]],
    context_supply: Optional[dict] = None,
    trace_size: Optional[tuple[int, int]] = None,
    recompute: str = 'none',
    macs_per_byte: float = MACS_PER_BYTE,
    boundary_time: float = BOUNDARY_TIME,
) -> Planner:
    """Trace and profile an iteration on fake tensors, and plan with it.

    It takes as long as a few iterations on fake tensors: seconds, or a
    minute for a large detector.

    Args:
        workload (Workload): The training that is planned for; its model is
            plain.
        aux_nets (dict | Sequence[dict]): ``decoder``, ``aux_neck``,
            ``aux_head`` and other arguments of :func:`expand_local_modules`.
            Of several, from large to small, :func:`choose_aux_nets` takes
            those that add at most 6 % to the MACs of the forward pass.
        context_supply (dict, optional): See :func:`supervise_locally`; it
            counts in what is measured, not in the choice. Defaults to None.
        trace_size (tuple[int, int], optional): ``input_size`` of
            :func:`trace_backbone`. Defaults to None: its default, or that of
            the images where the backbone takes no other.
        recompute (str): The parts of backbone, neck and heads that plans may
            compute again in the backward: ``'none'``; ``'cheap'``, all but
            convs and matrix products; or ``'any'``. An iteration more is run
            for each way. Defaults to ``'none'``.
        macs_per_byte (float): See :class:`MemoryModel`. Defaults to 10.
        boundary_time (float): See :func:`find_choices`. Defaults to 0.01.

    Returns:
        Planner: It knows what any boundaries cost.

    Raises:
        ValueError: If ``recompute`` is none of these.
        BoundaryError: If the backbone cannot be cut, or aux nets that copy
            blocks find none behind a cut.
    """
    if recompute not in RECOMPUTE:
        raise ValueError(
            f'`recompute` (--recompute) should be one of {[*RECOMPUTE]}, but '
            f'got {recompute!r}. Choose one of those.'
        )
    backbone = workload.model.backbone
    _LOGGER.info('tracing the backbone')
    trace, trace_size = _trace(workload, trace_size)
    sizes = [aux_nets] if isinstance(aux_nets, dict) else aux_nets
    names = find_candidates(backbone, trace)
    copiers = {
        name: BlockCopier(
            backbone,
            trace.blocks,
            trace.count_blocks(name),
            i / max(len(names) - 1, 1),
        )
        for i, name in enumerate(names)
    }
    names = _keep_possible(names, trace, copiers, sizes)
    _LOGGER.info(f'end to end, with {len(names)} places to cut')
    profile = profile_step(workload, trace, names)
    chosen, memory_model = choose_aux_nets(
        workload,
        profile,
        [(trace.boundaries[name], copiers[name]) for name in names],
        sizes,
    )
    add_ways(
        workload,
        profile,
        recompute,
        lambda changed: profile_step(changed, trace, names),
    )
    memory_model = MemoryModel(
        profile,
        memory_model.aux_costs,
        workload.step_each_module,
        macs_per_byte,
    )
    return Planner(
        workload,
        memory_model,
        chosen,
        context_supply,
        trace_size,
        boundary_time,
    )


def _trace(
    workload: Workload, trace_size: Optional[tuple[int, int]]
) -> tuple[BackboneTrace, Optional[tuple[int, int]]]:
    """Trace the backbone; return the size, too, if it has to be given."""
    backbone = workload.model.backbone
    try:
        return trace_backbone(backbone, trace_size), trace_size
    except InputSizeError:
        height, width = workload.input_shape[2:]
        if trace_size is not None:
            raise
        return trace_backbone(backbone, (height, width)), (height, width)


def _keep_possible(
    names: tuple[str, ...],
    trace: BackboneTrace,
    copiers: Mapping[str, BlockCopier],
    sizes: Sequence[dict],
) -> tuple[str, ...]:
    """Leave out boundaries where aux nets cannot copy what follows."""
    possible = []
    for name in names:
        try:
            for aux_nets in sizes:
                parts = dict(aux_nets, copier=copiers[name])
                parts.pop('loss_weights', None)
                LocalModule(trace.boundaries[name], **parts)
        except BoundaryError as error:
            last = error
            continue
        if not copiers[name].is_used:
            return names
        possible.append(name)
    if not possible:
        raise last
    return tuple(possible)
