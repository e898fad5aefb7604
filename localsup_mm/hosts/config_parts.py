"""Parts of a model's config, and the arguments that they are built with."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Optional

from mmengine.config import Config
from mmengine.registry import MODELS

from .part_type import find_class

__all__ = [
    'find_head',
    'find_parameter',
    'iterate_parts',
    'read_argument',
    'to_plain',
]


def find_head(cfg: Config, names: Iterable[str]) -> Optional[dict]:
    """Find the head whose result is that of a network.

    Args:
        cfg (Config): The config of a training.
        names (Iterable[str]): Places of the head in the model's config, e.g.
            ``'roi_head.bbox_head'``; the first that is there counts.

    Returns:
        dict: Its config, of a cascade that of the last; None if there is
        none.
    """
    for name in names:
        head: Any = cfg.model
        for key in name.split('.'):
            head = (head or {}).get(key)
        if head:
            return head[-1] if isinstance(head, (list, tuple)) else head
    return None


def iterate_parts(cfg: Any) -> Iterator[dict]:
    """Iterate over a config and all configs inside of it.

    Args:
        cfg (Any): The config of a part, or several.

    Yields:
        dict: Each config, an outer one before those inside.
    """
    if isinstance(cfg, dict):
        yield cfg
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for value in cfg:
            yield from iterate_parts(value)


def find_parameter(part: type, name: str) -> Optional[inspect.Parameter]:
    """Find a parameter of a class, or of the base that it hands it to.

    Args:
        part (type): The class.
        name (str): Name of the parameter.

    Returns:
        inspect.Parameter: The parameter; None if there is none.
    """
    for cls in part.__mro__:
        parameters = inspect.signature(cls.__init__).parameters
        if name in parameters:
            return parameters[name]
    return None


def read_argument(
    part: dict, name: str, scope: str, default: Any = None
) -> Any:
    """Read an argument of a part.

    Args:
        part (dict): Its config.
        name (str): Name of the argument.
        scope (str): The registry in which its type is looked up.
        default (Any): The value for a part without such an argument.
            Defaults to None.

    Returns:
        Any: The value in the config, else the default of the class.
    """
    if name in part:
        return to_plain(part[name])
    cls = find_class(part, MODELS, scope)
    found = find_parameter(cls, name) if inspect.isclass(cls) else None
    if found is None or found.default is inspect.Parameter.empty:
        return default
    return to_plain(found.default)


def to_plain(cfg: Any) -> Any:
    """Copy a value of a config for another config.

    Args:
        cfg (Any): The value.

    Returns:
        Any: The copy, of plain dicts. A ``_scope_``, which mmengine adds to
        what is inherited from another package, goes in front of the type.
    """
    if isinstance(cfg, dict):
        plain = {key: to_plain(value) for key, value in cfg.items()}
        scope, kind = plain.pop('_scope_', None), plain.get('type')
        if scope and isinstance(kind, str) and '.' not in kind:
            plain['type'] = f'{scope}.{kind}'
        return plain
    if isinstance(cfg, Sequence) and not isinstance(cfg, str):
        return [to_plain(value) for value in cfg]
    return cfg
