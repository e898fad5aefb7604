"""The types of the parts of a config, however it writes them.

A type is a name (``'ResNet'``), a name with its scope (``'mmseg.ResNet'``) or
with its module (``'mmseg.models.ResNet'``), or what was imported by a config
with ``read_base()``.
"""

from typing import Any, Optional

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry

from ..upstream import find_config_dict

__all__ = ['find_class', 'name_type', 'spell_type', 'write_out_types']


def find_class(
    part: dict, registry: Registry, scope: Optional[str] = None
) -> Any:
    """Find the class of a part.

    Args:
        part (dict): The config of a part.
        registry (Registry): Registry of such parts.
        scope (str, optional): The scope in which its type is looked up.
            Defaults to None: the current one.

    Returns:
        Any: The class, or a function; None if the registry does not know it.
    """
    kind = part.get('type')
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(scope) as found:
        try:
            return found.get(kind)
        except RuntimeError:
            return None  # of a module that cannot be imported


def name_type(
    part: dict, registry: Registry, default: Optional[str] = None
) -> str:
    """Find the name by which a registry knows the type of a part.

    Args:
        part (dict): The config of a part.
        registry (Registry): One of mmengine's.
        default (str, optional): Its type where the config says none. Defaults
            to None.

    Returns:
        str: The name; the type as the config has it if it is not in that
        registry itself.
    """
    kind = part.get('type', default)
    cls = find_class(dict(type=kind), registry)
    names = registry.module_dict.items()
    return next((name for name, known in names if known is cls), str(kind))


def spell_type(part: dict) -> str:
    """Spell the type of a part, with a host or module before it if known.

    Args:
        part (dict): The config of a part.

    Returns:
        str: For instance ``'mmdet.CocoDataset'`` or ``'CocoDataset'``.
    """
    kind = part.get('type')
    if isinstance(kind, type):
        return f'{kind.__module__}.{kind.__name__}'
    return str(kind)


def write_out_types(cfg: Config) -> None:
    """Write what a config with ``read_base()`` imported as types by name.

    They mean the same: mmengine writes such a config to the work dir so.

    Args:
        cfg (Config): The whole config, changed in place.
    """
    _write_out(find_config_dict(cfg))


def _write_out(part: Any) -> None:
    if isinstance(part, dict):
        # items() of mmengine's dicts would import what is imported
        kind = dict.get(part, 'type')
        if isinstance(kind, (LazyAttr, LazyObject)):
            part['type'] = f'{kind.module}.{kind}'
        part = list(dict.values(part))
    if isinstance(part, (list, tuple)):
        for value in part:
            _write_out(value)
