"""Building parts of any installed host from a config."""

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_origin

from mmengine.registry import MODELS
from torch import nn

from .config_parts import find_parameter
from .installed import check_installed

__all__ = ['build_part']


def build_part(
    cfg: dict,
    argument: str,
    in_channels: Sequence[int] = (),
    strides: Sequence[int] = (),
    traced: Mapping[str, Any] = MappingProxyType({}),
) -> nn.Module:
    """Build a backbone, neck, head or decoder.

    Args:
        cfg (dict): Config with a ``type`` of this package, of the current
            default scope or of a host (``'mmseg.FCNHead'``).
        argument (str): Name of the part in the config, for messages.
        in_channels (Sequence[int]): Channels of the features at each level,
            finest level first. They are filled in where a part takes
            ``in_channels`` and the config has none: all of them in a part
            that takes a list, else the last. Defaults to ().
        strides (Sequence[int]): Strides of the same levels. They are filled
            in for a dense head where the config has none. Defaults to ().
        traced (Mapping[str, Any]): Other values that the trace knows, by the
            name of the argument of a part that takes them, e.g.
            ``image_channels``. Defaults to none.

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
        check_installed(part.split('.')[0], 'type', part)
        # the default scope's registry knows a host's types by short names
        with MODELS.switch_scope_and_registry(None) as registry:
            part = registry.get(part)
    if in_channels and inspect.isclass(part):
        found = find_parameter(part, 'in_channels')
        if found is not None:
            takes_all = get_origin(found.annotation) is list
            expected = list(in_channels) if takes_all else in_channels[-1]
            _fill(cfg, 'in_channels', expected, argument)
    for name, value in traced.items():
        if inspect.isclass(part) and find_parameter(part, name) is not None:
            _fill(cfg, name, value, argument)
    if strides and inspect.isclass(part):
        # anchors of a dense head, or points of one without anchors
        if isinstance(cfg.get('anchor_generator'), dict):
            anchors = cfg['anchor_generator'] = dict(cfg['anchor_generator'])
            _fill(anchors, 'strides', list(strides), argument)
        elif find_parameter(part, 'strides') is not None:
            _fill(cfg, 'strides', list(strides), argument)
    return MODELS.build(cfg)


def _fill(cfg: dict, key: str, expected: Any, argument: str) -> None:
    found = cfg.setdefault(key, expected)
    if (list(found) if isinstance(found, tuple) else found) != expected:
        raise ValueError(
            f'`{key}` of {argument} should be {expected}, as the trace '
            f'found, but got {found!r}. Leave it out.'
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
