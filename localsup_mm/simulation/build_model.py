"""Building the model of a config as it is trained."""

import copy
from typing import Any, Optional

from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from ..engine import prepare_model
from ..hosts import find_checkpoint_argument, set_activation_checkpointing
from ..recomputation import recompute_modules

__all__ = ['build_host_model', 'drop_pretrained']


def build_host_model(
    cfg: Config, with_cp: Optional[bool] = None, is_local: bool = True
) -> nn.Module:
    """Build the model of a config, on the CPU and for one process.

    Args:
        cfg (Config): The config of a training; it is not changed.
        with_cp (bool, optional): Whether the backbone uses activation
            checkpointing, and nothing is recomputed by name; if not, no
            layer does. Defaults to None: the config decides.
        is_local (bool): Whether to keep its local modules, if it has some.
            Defaults to True.

    Returns:
        nn.Module: The model without pretrained weights, with plain batch
        norm.

    Raises:
        ValueError: If the backbone has no activation checkpointing.
    """
    model_cfg = copy.deepcopy(cfg.model)
    drop_pretrained(model_cfg)
    is_wrapped = 'local_modules' in model_cfg.backbone
    if is_wrapped and not is_local:
        model_cfg.backbone = model_cfg.backbone.backbone
    if 'data_preprocessor' in cfg:
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # hosts write into the config of a part that they build
        model = MODELS.build(copy.deepcopy(model_cfg))
        if with_cp:
            backbone = model_cfg.backbone
            backbone = backbone.get('backbone', backbone)
            backbone[find_checkpoint_argument(model.backbone)] = True
            model = MODELS.build(model_cfg)
    if with_cp is False:
        set_activation_checkpointing(model, False)
    model = revert_sync_batchnorm(model)
    if is_wrapped and is_local:
        prepare_model(model)
    if not with_cp and cfg.get('recompute'):
        recompute_modules(model, cfg.recompute)
    return model


def drop_pretrained(cfg: Any) -> None:
    """Leave out weights that would be downloaded.

    Args:
        cfg (Any): The config of a model; it is changed in place.
    """
    if isinstance(cfg, (list, tuple)):
        for value in cfg:
            drop_pretrained(value)
    elif isinstance(cfg, dict):
        if cfg.get('pretrained') is not None:
            cfg['pretrained'] = None
        init_cfg = cfg.get('init_cfg') or []
        if isinstance(init_cfg, dict):
            init_cfg = [init_cfg]
        # PVTv2's says no type
        if any('checkpoint' in init for init in init_cfg):
            cfg['init_cfg'] = None
        for value in cfg.values():
            drop_pretrained(value)
