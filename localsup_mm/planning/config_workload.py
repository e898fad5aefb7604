"""What a config trains, without its data."""

import math
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Optional

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import OPTIMIZERS
from mmengine.utils import get_installed_path
from torch import nn
from torch.optim import Optimizer

from .data_samples import (
    DATA_DEPENDENT,
    HOSTS,
    find_annotations,
    find_data_samples,
)
from .fake_step import depends_on_data
from .host_model import build_host_model
from .image_size import find_image_size
from .workload import Workload

__all__ = ['read_training', 'read_workload']


def read_training(path: str) -> Config:
    """Read the config of a training.

    Args:
        path (str): A file, or ``'mmdet::...'`` for one that a host brings.

    Returns:
        Config: The whole config.

    Raises:
        ValueError: If the host or its config is unknown, or it does not train
            a network with a backbone.
    """
    if '::' in path:
        host = path.split('::')[0]
        if host not in HOSTS:
            raise ValueError(
                f'`config` should be of one of {HOSTS}, but got {path!r}. '
                'Name a config of theirs, or a file.'
            )
        cfg = _read_host_config(path)
    else:
        cfg = Config.fromfile(path)
    host = cfg.get('default_scope')
    if host not in HOSTS:
        raise ValueError(
            f'`default_scope` should be one of {HOSTS}, but got {host!r} in '
            f'{path!r}. Choose a config of one of these hosts.'
        )
    if 'backbone' not in cfg.get('model', {}) or 'optim_wrapper' not in cfg:
        raise ValueError(
            '`config` should have model.backbone and optim_wrapper, but got '
            f'{path!r} with {sorted(cfg.keys())}. Choose the config of a '
            'training, e.g. one below configs/infopro.'
        )
    for part in (cfg.model.backbone, cfg.optim_wrapper):
        if not isinstance(part.get('type', ''), str):
            raise ValueError(
                '`config` should name types by strings, but got '
                f'{part.type!r} in {path!r}. Configs with read_base() are not '
                'supported: write one without.'
            )
    return cfg


def _read_host_config(path: str) -> Config:
    try:
        return Config.fromstring(f'_base_ = [{path!r}]', '.py')
    except (FileNotFoundError, ValueError):
        host, name = path.split('::', 1)
        folder = Path(get_installed_path(host), '.mim', 'configs')
        names = [
            file.relative_to(folder).as_posix()
            for file in folder.rglob('*.py')
        ]
        if name in names:
            raise
        closest = get_close_matches(name, names, cutoff=0)
        raise ValueError(
            f'`config` should name one that {host} brings, but got {path!r}. '
            f'Closest: {closest}.'
        ) from None


def read_workload(
    cfg: Config,
    batch_size: Optional[int] = None,
    image_size: Optional[tuple[int, int]] = None,
    amp: Optional[bool] = None,
    with_cp: Optional[bool] = None,
    step_each_module: Optional[bool] = None,
    is_local: bool = False,
) -> Workload:
    """Read what a config trains.

    Args:
        cfg (Config): Of mmseg, mmdet or mmpretrain, locally supervised or
            not; it is not changed.
        batch_size (int, optional): B, on one device. Defaults to None: that
            of ``train_dataloader``.
        image_size (tuple[int, int], optional): H and W, in pixels. Defaults
            to None: see :func:`find_image_size`.
        amp (bool, optional): Mixed precision. Defaults to None: as
            ``optim_wrapper`` says.
        with_cp (bool, optional): See :func:`build_host_model`. Defaults to
            None: as the config says.
        step_each_module (bool, optional): As :class:`LocalOptimWrapper`.
            Defaults to None: as ``optim_wrapper`` says.
        is_local (bool): Whether with its local modules, if it has some.
            Defaults to False: end to end.

    Returns:
        Workload: Its model is on the CPU, without pretrained weights.

    Raises:
        ValueError: If the config does not say what is needed.
    """
    host = cfg.get('default_scope')
    make_data_samples = find_data_samples(host, find_annotations(cfg))
    wrapper = cfg.optim_wrapper
    model = build_host_model(cfg, with_cp, is_local)
    height, width = image_size or find_image_size(cfg)
    divisor = getattr(model.data_preprocessor, 'pad_size_divisor', 1) or 1
    size = (math.ceil(side / divisor) * divisor for side in (height, width))
    if batch_size is None:
        batch_size = cfg.train_dataloader.batch_size
    if batch_size < 1:
        raise ValueError(
            f'`batch_size` should be at least 1, but got {batch_size}. Leave '
            'it out for that of the config.'
        )
    if amp is None:
        amp = 'Amp' in str(wrapper.get('type'))
    if step_each_module is None:
        step_each_module = wrapper.get('step_each_module', False)
    if step_each_module:
        _check_step_each_module(wrapper)
    workload = Workload(
        model,
        (batch_size, 3, *size),
        make_data_samples,
        partial(_build_optimizer, wrapper.optimizer),
        # as large as float16, which lacks ops on a CPU
        torch.bfloat16 if amp else None,
        step_each_module=step_each_module,
        accumulates=wrapper.get('accumulative_counts', 1) > 1,
    )
    is_data_dependent = host in DATA_DEPENDENT or depends_on_data(workload)
    if is_data_dependent:
        _init_heads(model)
    return replace(workload, is_data_dependent=is_data_dependent)


def _check_step_each_module(wrapper: dict) -> None:
    for setting in ('clip_grad', 'accumulative_counts'):
        value = wrapper.get(setting)
        if value not in (None, 1):
            raise ValueError(
                f'`optim_wrapper.{setting}` should be left out with '
                'step_each_module, since it needs the gradients of all '
                f'modules, but got {value!r}. Leave one of them out.'
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


def _build_optimizer(cfg: dict, parameters: list[nn.Parameter]) -> Optimizer:
    return OPTIMIZERS.build(dict(cfg, params=parameters))
