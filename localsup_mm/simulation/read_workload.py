"""Reading from a config what it trains, without its data."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Optional

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import OPTIMIZERS, DefaultScope
from torch import nn
from torch.optim import Optimizer

from ..engine import LocalOptimWrapper
from ..hosts import find_host
from ..tracing import find_image_channels
from .build_model import build_host_model
from .depends_on_data import depends_on_data
from .shared_norms import note_shared_norms
from .workload import Workload

__all__ = ['read_workload']


def read_workload(
    cfg: Config,
    batch_size: Optional[int] = None,
    image_size: Optional[tuple[int, int]] = None,
    amp: Optional[bool] = None,
    with_cp: Optional[bool] = None,
    step_each_module: Optional[bool] = None,
    is_local: bool = False,
) -> Workload:
    """Read from a config what it trains, and on which batch.

    Args:
        cfg (Config): The config of a training, locally supervised or not;
            it is not changed.
        batch_size (int, optional): B, the images on one device. Defaults to
            None: that of ``train_dataloader``.
        image_size (tuple[int, int], optional): H and W, in pixels. Defaults
            to None: see :meth:`Host.find_image_size`.
        amp (bool, optional): Mixed precision. Defaults to None: as
            ``optim_wrapper`` says.
        with_cp (bool, optional): See :func:`build_host_model`. Defaults to
            None: as the config says.
        step_each_module (bool, optional): See :class:`LocalOptimWrapper`.
            Defaults to None: as ``optim_wrapper`` says.
        is_local (bool): Whether the model keeps its local modules, if it has
            some. Defaults to False: it is trained end to end.

    Returns:
        Workload: Its model is on the CPU, without pretrained weights.

    Raises:
        ValueError: If the config does not say what is needed.
    """
    host = find_host(cfg)
    host.check_made_up(cfg)
    wrapper = cfg.optim_wrapper
    model = build_host_model(cfg, with_cp, is_local)
    height, width = image_size or host.find_image_size(cfg)
    divisor = getattr(model.data_preprocessor, 'pad_size_divisor', 1) or 1
    size = [math.ceil(side / divisor) * divisor for side in (height, width)]
    if batch_size is None:
        batch_size = cfg.train_dataloader.batch_size
    if batch_size < 1:
        raise ValueError(
            f'`batch_size` should be at least 1, but got {batch_size}. Leave '
            'it out for that of the config.'
        )
    if batch_size == 1:
        note_shared_norms(model)
    if amp is None:
        amp = 'Amp' in str(wrapper.get('type'))
    if step_each_module is None:
        step_each_module = wrapper.get('step_each_module', False)
    build_optimizer = partial(
        _build_optimizer, cfg.get('default_scope'), wrapper.optimizer
    )
    if step_each_module:
        _check_step_each_module(wrapper, model, build_optimizer)
    workload = Workload(
        model,
        host.make_input_shape(
            cfg, batch_size, find_image_channels(model.backbone, size), size
        ),
        partial(host.make_data_samples, cfg),
        build_optimizer,
        # as large as float16, which lacks ops on a CPU
        torch.bfloat16 if amp else None,
        step_each_module=step_each_module,
        accumulates=wrapper.get('accumulative_counts', 1) > 1,
    )
    is_data_dependent = host.reads_values or depends_on_data(workload)
    if is_data_dependent:
        _init_heads(model)
    return replace(workload, is_data_dependent=is_data_dependent)


def _check_step_each_module(
    wrapper: Config,
    model: nn.Module,
    build_optimizer: Callable[..., Optimizer],
) -> None:
    """Check what the wrapper that trains would refuse."""
    LocalOptimWrapper(
        build_optimizer(list(model.parameters())),
        step_each_module=True,
        accumulative_counts=wrapper.get('accumulative_counts', 1),
        # mmengine takes its type out of it
        clip_grad=copy.deepcopy(wrapper.get('clip_grad')),
    )


def _init_heads(model: nn.Module) -> None:
    """Give heads that run for real sane weights: boxes of some width."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')  # each parameter has a line otherwise
    try:
        for child in model.children():
            if child is not model.backbone and hasattr(child, 'init_weights'):
                child.init_weights()
    finally:
        logger.setLevel(level)


def _build_optimizer(
    scope: Optional[str], cfg: dict, parameters: list[nn.Parameter]
) -> Optimizer:
    # hosts have optimizers of their own
    with DefaultScope.overwrite_default_scope(scope):
        return OPTIMIZERS.build(dict(cfg, params=parameters))
