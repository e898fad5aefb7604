"""Memory and compute of the aux nets at a boundary."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Optional

import torch
from mmengine.model import revert_sync_batchnorm
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from ..metering import LiveBytes, MacCounter
from ..simulation import Workload
from ..simulation.fake_step import host_ops, make_batch
from ..simulation.shape_only_ops import ShapeOnlyOps, real_loss
from ..supervision import BlockCopier, LocalModule, set_normalization
from ..tracing import Boundary
from ..upstream import FakeCopyMode, FakeTensorMode

__all__ = ['AuxCost', 'measure_aux_nets', 'measure_everywhere']


@dataclass(frozen=True)
class AuxCost:
    """Memory and compute of the aux nets at one boundary.

    Args:
        parameters (int): Bytes of their trainable parameters.
        static (int): Bytes of parameters and buffers, and of gradients where
            they accumulate.
        gradients (int): Bytes of gradients that a backward leaves.
        peak (int): Most bytes that live in their passes, besides ``static``,
            features and batch: activations, gradients of parameters and of
            the features.
        macs (int): Multiply-accumulates of their forward pass.
        step_macs (int): Those of their forward pass and backward.
        moved (int): Bytes that other ops move in both, see
            :class:`MacCounter`.
    """

    parameters: int
    static: int
    gradients: int
    peak: int
    macs: int
    step_macs: int
    moved: int


def measure_aux_nets(
    workload: Workload,
    boundary: Boundary,
    aux_nets: dict,
    features: tuple,
    copier: Optional[BlockCopier] = None,
) -> AuxCost:
    """Run the passes of the aux nets at a boundary on fake tensors.

    The features of earlier boundaries that ``pyramid=True`` adds are left
    out. What enters the local module, where a decoder rebuilds it, counts as
    large as what leaves it.

    Args:
        workload (Workload): The training that is planned for.
        boundary (Boundary): The boundary at which the aux nets are.
        aux_nets (dict): ``decoder``, ``aux_neck`` and ``aux_head`` of a
            :class:`LocalModule`.
        features (tuple): Shape and dtype of the features there.
        copier (BlockCopier, optional): See :class:`LocalModule`. Defaults to
            None.

    Returns:
        AuxCost: Their memory and compute.
    """
    model = workload.model
    local_module = revert_sync_batchnorm(
        LocalModule(boundary, **aux_nets, earlier=[boundary], copier=copier)
    )
    set_normalization(local_module, getattr(model, 'data_preprocessor', None))
    fake = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    if workload.is_data_dependent:
        mode = ShapeOnlyOps()
        compute_loss = partial(real_loss, fake, local_module.loss)
    else:
        with FakeCopyMode(fake):
            local_module = copy.deepcopy(local_module)
        mode, compute_loss = fake, local_module.loss
    local_module.train()
    parameters = [p for p in local_module.parameters() if p.requires_grad]
    if workload.accumulates:
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
    live = LiveBytes(local_module)
    static = live.current
    with host_ops():
        with live:
            inputs, data_samples = make_batch(workload, fake)
            with fake:
                feats = _make_features(*features)
        # it sees what the mode returns
        with mode, live, MacCounter() as counter:
            start = live.peak = live.current
            with workload.autocast():
                source = boundary.to_feature_map(feats.detach(), inputs)
                views = boundary.stack_views(inputs)
                losses = compute_loss(feats, views, data_samples, {0: source})
                loss = model.parse_losses(losses)[0]
            loss.backward()
    size = sum(p.numel() * p.element_size() for p in parameters)
    return AuxCost(
        size,
        static,
        size * (not workload.accumulates),
        live.peak - start,
        counter.forward,
        counter.total,
        counter.moved,
    )


def measure_everywhere(
    workload: Workload,
    places: Iterable[tuple[Boundary, BlockCopier, tuple]],
    aux_nets: dict,
) -> list[AuxCost]:
    """Measure aux nets at many boundaries, equal ones once.

    Those that copy blocks of the backbone differ at each.

    Args:
        workload (Workload): The training that is planned for.
        places (Iterable[tuple[Boundary, BlockCopier, tuple]]): Boundaries,
            each with what copies the blocks behind it, and with shape and
            dtype of the features there.
        aux_nets (dict): See :func:`measure_aux_nets`.

    Returns:
        list[AuxCost]: The cost at each boundary, in the same order.
    """
    known: dict[tuple, AuxCost] = {}
    costs = []
    for boundary, copier, features in places:
        key = (replace(boundary, name=''), features)
        cost = known.get(key)
        if cost is None:
            cost = measure_aux_nets(
                workload, boundary, aux_nets, features, copier
            )
            if not copier.is_used:
                known[key] = cost
        costs.append(cost)
    return costs


def _make_features(shape: tuple[int, ...], dtype: Any) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, requires_grad=True)
