"""The ways to train one network, derived from a config."""

import copy
from dataclasses import dataclass
from typing import Any, Optional

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from localsup_mm.hosts import read_training
from localsup_mm.planning import resolve_auto
from localsup_mm.simulation import build_host_model, drop_pretrained
from localsup_mm.supervision import expand_local_modules


@dataclass(frozen=True)
class Method:
    """One way to train the network of a config.

    Args:
        cfg (Config): The whole config, of a locally supervised model or of
            a plain one.
        with_cp (bool): Whether the backbone is told to checkpoint its
            activations, or no layer does. Defaults to False.
    """

    cfg: Config
    with_cp: bool = False

    @property
    def is_local(self) -> bool:
        """Whether by local modules."""
        return 'local_modules' in self.cfg.model.backbone

    @property
    def boundaries(self) -> list[str]:
        """Where its local modules end."""
        if not self.is_local:
            return []
        rule = self.cfg.model.backbone.local_modules
        if isinstance(rule, dict):
            rule = expand_local_modules(**rule)
        return [local_module['boundary'] for local_module in rule]


def read_config(path: str, size: Optional[tuple[int, int]] = None) -> Config:
    """Read a config, with a model as the Runner would build it.

    Args:
        path (str): The config file, or ``'mmdet::...'`` for one that a host
            brings.
        size (tuple[int, int], optional): H and W of the images, in pixels.
            Defaults to None: that of the config.

    Returns:
        Config: Without pretrained weights, which cost nothing in training
        and would be downloaded.

    Raises:
        ValueError: As :func:`read_training`.
    """
    cfg = read_training(path)
    init_default_scope(cfg.default_scope)
    drop_pretrained(cfg.model)
    resolve_auto(cfg)
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    preprocessor = cfg.model.get('data_preprocessor') or {}
    if size is not None and 'size' in preprocessor:
        preprocessor.size = size
    return cfg


def name_method(cfg: Config) -> str:
    """The method of a locally supervised config, by its parts.

    Args:
        cfg (Config): Of a locally supervised model.

    Returns:
        str: ``'contsup'`` with context; else ``'infopro'`` with decoders;
        else ``'dgl'`` or ``'predsim'`` by their aux nets; else
        ``'greedy'``.
    """
    if cfg.model.backbone.get('context_supply'):
        return 'contsup'
    if _has_decoders(cfg.model.backbone.local_modules):
        return 'infopro'
    types = str(cfg.model.backbone.local_modules)
    if 'PredSimHead' in types:
        return 'predsim'
    return 'dgl' if 'MLPSRNeck' in types else 'greedy'


def derive_methods(cfg: Config) -> dict[str, Method]:
    """All ways to train the network of a config.

    Args:
        cfg (Config): Of a locally supervised model or of a plain one.

    Returns:
        dict[str, Method]: ``e2e`` and ``with_cp``; of a locally supervised
        model also its own, see :func:`name_method`, and, where it has
        decoders, ``greedy``, the same without them, both alone and
        ``+with_cp``.
    """
    cfgs = {'e2e': to_end_to_end(cfg)}
    if Method(cfg).is_local:
        cfgs[name_method(cfg)] = cfg
        if _has_decoders(cfg.model.backbone.local_modules):
            cfgs['greedy'] = _without_decoders(cfg)
    methods = {}
    for name, cfg in cfgs.items():
        methods[name] = Method(cfg)
        with_cp = 'with_cp' if name == 'e2e' else f'{name}+with_cp'
        methods[with_cp] = Method(cfg, with_cp=True)
    return methods


def to_end_to_end(cfg: Config) -> Config:
    """Copy a config with the plain backbone."""
    cfg = copy.deepcopy(cfg)
    if Method(cfg).is_local:
        cfg.model.backbone = cfg.model.backbone.backbone
    return cfg


def build_model(method: Method) -> nn.Module:
    """Build the model of a method, with plain batch norm.

    Args:
        method (Method): How it is to be trained.

    Returns:
        nn.Module: On the CPU, in training mode.
    """
    init_default_scope(method.cfg.default_scope)
    return build_host_model(method.cfg, method.with_cp).train()


def _has_decoders(local_modules: Any) -> bool:
    if isinstance(local_modules, dict):
        local_modules = [local_modules]
    return any(m.get('decoder') is not None for m in local_modules)


def _without_decoders(cfg: Config) -> Config:
    cfg = copy.deepcopy(cfg)
    local_modules = cfg.model.backbone.local_modules
    if isinstance(local_modules, dict):
        local_modules = [local_modules]
    for local_module in local_modules:
        local_module.decoder = None
    return cfg
