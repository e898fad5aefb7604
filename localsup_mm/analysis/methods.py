"""The ways to train one network, derived from its configs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from ..hosts.activation_checkpointing import CHECKPOINT_FLAGS
from ..simulation import build_host_model
from ..supervision import list_local_modules

__all__ = [
    'Method',
    'build_model',
    'derive_methods',
    'name_method',
    'to_end_to_end',
]

# how a chart names what `name_method` returns
_LABELS = {
    'auglocal': 'AugLocal',
    'contsup': 'ContSup',
    'dgl': 'DGL',
    'greedy': 'greedy',
    'infopro': 'InfoPro',
    'man': 'MAN',
    'predsim': 'PredSim',
}


@dataclass(frozen=True)
class Method:
    """One way to train the network of a config.

    Args:
        cfg (Config): The whole config; its model is locally supervised or
            plain.
        with_cp (bool): Whether the backbone is told to checkpoint its
            activations, or no layer does. Defaults to False.
        variant (str): A word that tells it from another one of the same
            method and K. Defaults to ''.
        is_optional (bool): Whether it is compared only where it is asked
            for. Defaults to False.
    """

    cfg: Config
    with_cp: bool = False
    variant: str = ''
    is_optional: bool = False

    @property
    def is_local(self) -> bool:
        """Whether the network is trained by local modules."""
        return 'local_modules' in self.cfg.model.backbone

    @property
    def boundaries(self) -> list[str]:
        """Names of the submodules that its local modules end with."""
        if not self.is_local:
            return []
        local_modules = self.cfg.model.backbone.local_modules
        return [cfg['boundary'] for cfg in list_local_modules(local_modules)]

    @property
    def label(self) -> str:
        """Its name in a chart, e.g. ``'InfoPro K=4 + checkpointing'``."""
        if not self.is_local:
            return 'activation checkpointing' if self.with_cp else 'end-to-end'
        label = _LABELS[name_method(self.cfg)]
        label = f'{label} K={len(self.boundaries) + 1}'
        if self.variant:
            label = f'{label} ({self.variant})'
        return f'{label} + checkpointing' if self.with_cp else label


def name_method(cfg: Config) -> str:
    """Name the method of a locally supervised config, by its parts.

    Args:
        cfg (Config): The config of a locally supervised model.

    Returns:
        str: ``'contsup'`` with context; else ``'man'`` or ``'auglocal'``
        by their aux nets; else ``'infopro'`` with decoders; else
        ``'predsim'`` or ``'dgl'`` by their aux nets; else ``'greedy'``.
    """
    if cfg.model.backbone.get('context_supply'):
        return 'contsup'
    types = str(cfg.model.backbone.local_modules)
    if 'MomentumBlock' in types:
        return 'man'
    if 'SampledBlocks' in types:
        return 'auglocal'
    if _has_decoders(cfg):
        return 'infopro'
    if 'PredSimHead' in types:
        return 'predsim'
    return 'dgl' if 'MLPSRNeck' in types else 'greedy'


def derive_methods(*cfgs: Config) -> dict[str, Method]:
    """Derive all ways to train one network from its configs.

    Args:
        *cfgs (Config): Configs of locally supervised models or of plain
            ones; the plain network of the first one is the baseline.

    Returns:
        dict[str, Method]: The methods by name: ``e2e`` and ``with_cp``; the
        method of each locally supervised config, which
        :func:`name_method` names; and, where that is ``infopro``,
        optionally ``greedy``, the same without decoders. The local ones are
        there both alone and ``+with_cp``, and are called e.g.
        ``infopro_k4`` where there are several such configs.

    Raises:
        ValueError: If they are configs of several networks.
    """
    _check_same_network(cfgs)
    methods = {'e2e': Method(to_end_to_end(cfgs[0]))}
    local = [cfg for cfg in cfgs if Method(cfg).is_local]
    for cfg in local:
        name, method = _name(cfg, len(local) > 1), Method(cfg)
        if name in methods:
            variant = Path(cfg.filename).stem
            name, method = f'{name}_{variant}', Method(cfg, variant=variant)
        methods[name] = method
    for cfg in local:
        if name_method(cfg) == 'infopro':
            greedy = _without_decoders(cfg)
            name = _name(greedy, len(local) > 1)
            methods.setdefault(name, Method(greedy, is_optional=True))
    pairs = {}
    for name, method in methods.items():
        pairs[name] = method
        with_cp = 'with_cp' if name == 'e2e' else f'{name}+with_cp'
        pairs[with_cp] = Method(
            method.cfg, True, method.variant, method.is_optional
        )
    return pairs


def _name(cfg: Config, with_k: bool) -> str:
    name = name_method(cfg)
    return f'{name}_k{len(Method(cfg).boundaries) + 1}' if with_k else name


def _check_same_network(cfgs: Sequence[Config]) -> None:
    first, *others = (to_end_to_end(cfg).model.backbone for cfg in cfgs)
    for cfg, other in zip(cfgs[1:], others):
        keys = (first.keys() | other.keys()) - {*CHECKPOINT_FLAGS}
        keys = sorted(k for k in keys if first.get(k) != other.get(k))
        if keys:
            raise ValueError(
                '`configs` should be of one network, but got '
                f'{cfgs[0].filename!r} and {cfg.filename!r}, whose backbones '
                f'differ in {keys}. Compare each network for itself.'
            )


def to_end_to_end(cfg: Config) -> Config:
    """Copy a config with the plain backbone, and nothing recomputed.

    Args:
        cfg (Config): The whole config; it is not changed.

    Returns:
        Config: The copy, whose model is the host's.
    """
    cfg = copy.deepcopy(cfg)
    cfg.pop('recompute', None)
    if Method(cfg).is_local:
        cfg.model.backbone = cfg.model.backbone.backbone
    return cfg


def build_model(method: Method) -> nn.Module:
    """Build the model of a method, with plain batch norm.

    Args:
        method (Method): The way in which it is to be trained.

    Returns:
        nn.Module: The model, on the CPU and in training mode.
    """
    scope = method.cfg.get('default_scope')
    if scope is not None:
        init_default_scope(scope)
    return build_host_model(method.cfg, method.with_cp).train()


def _has_decoders(cfg: Config) -> bool:
    return any(m.get('decoder') is not None for m in _list_rules(cfg))


def _without_decoders(cfg: Config) -> Config:
    cfg = copy.deepcopy(cfg)
    for rule in _list_rules(cfg):
        rule['decoder'] = None
    return cfg


def _list_rules(cfg: Config) -> Sequence[dict]:
    rule = cfg.model.backbone.local_modules
    return [rule] if isinstance(rule, dict) else rule
