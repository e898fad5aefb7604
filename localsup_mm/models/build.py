"""Building parts of any installed host from a config."""

import importlib.util
import inspect
from typing import Any, Optional

from mmengine.registry import MODELS
from torch import nn

__all__ = ['build_part']

_DISTRIBUTIONS = {
    'mmseg': 'mmsegmentation',
    'mmdet': 'mmdet',
    'mmpretrain': 'mmpretrain',
}


def build_part(
    cfg: dict, argument: str, in_channels: Optional[int] = None
) -> nn.Module:
    """Build a backbone, neck, head or decoder.

    Args:
        cfg (dict): Config with a ``type`` of this package, of the current
            default scope or of a host (``'mmseg.FCNHead'``).
        argument (str): What it is in the config, for messages.
        in_channels (int, optional): What a part that takes ``in_channels``
            should have; filled in where the config has none. Defaults to
            None.

    Returns:
        nn.Module: The part.

    Raises:
        TypeError: If the config is no dict with a type.
        ValueError: If the config has other ``in_channels``.
        ImportError: If the host is not installed.
        KeyError: If no registry knows the type.
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise TypeError(
            f'`{argument}` should be a dict with a type, but got {cfg!r}. '
            "Write e.g. dict(type='mmseg.FCNHead', ...)."
        )
    cfg = _drop_scope(dict(cfg))
    part = cfg['type']
    if isinstance(part, str):
        _check_host(part)
        # the default scope's registry knows a host's types by short names
        with MODELS.switch_scope_and_registry(None) as registry:
            part = registry.get(part)
    # a host's class hands what it does not name itself to its base
    if (
        in_channels is not None
        and inspect.isclass(part)
        and any(
            'in_channels' in inspect.signature(cls.__init__).parameters
            for cls in part.__mro__
        )
    ):
        found = cfg.setdefault('in_channels', in_channels)
        if found != in_channels:
            raise ValueError(
                f'`in_channels` of {argument} should be {in_channels}, as '
                f'the trace found, but got {found!r}. Leave it out.'
            )
    return MODELS.build(cfg)


def _check_host(name: str) -> None:
    host = name.split('.')[0]
    if host in _DISTRIBUTIONS and importlib.util.find_spec(host) is None:
        raise ImportError(
            '`type` should name a part of an installed package, but got '
            f'{name!r}. Run: pip install {_DISTRIBUTIONS[host]}'
        )


def _drop_scope(cfg: Any) -> Any:
    """Undo a slip of mmengine's configs.

    A variable inherited from another package's config, such as
    ``norm_cfg=_base_.norm_cfg``, carries a ``_scope_`` that mmcv's layers
    refuse. They are registered at the root, where no scope is needed.
    """
    if not isinstance(cfg, dict):
        return cfg
    plain = {key: _drop_scope(value) for key, value in cfg.items()}
    for key, value in plain.items():
        if key.endswith('_cfg') and isinstance(value, dict):
            value.pop('_scope_', None)
    return plain
