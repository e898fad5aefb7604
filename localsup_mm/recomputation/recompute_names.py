"""Names under ``recompute`` in a config."""

from collections.abc import Mapping, Sequence
from typing import Union

from torch import nn

__all__ = ['join_recompute', 'shorten']


def join_recompute(
    *settings: Union[Sequence[str], Mapping[str, Sequence[str]], None],
) -> dict[str, list[str]]:
    """Write several settings of ``recompute`` as one.

    Args:
        *settings (Sequence[str] | Mapping[str, Sequence[str]] | None): Names
            as :func:`recompute_modules` takes them; None is nothing.

    Returns:
        dict[str, list[str]]: All names, by their kind.

    Example:
        >>> join_recompute(['neck'], dict(full=['head'], cheap=['backbone']))
        {'full': ['neck', 'head'], 'cheap': ['backbone']}
    """
    joined: dict[str, list[str]] = {}
    for setting in settings:
        if not isinstance(setting, Mapping):
            setting = dict(full=setting or ())
        for kind, names in setting.items():
            if names:
                joined.setdefault(kind, []).extend(names)
    return joined


def shorten(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Write ``*`` for the last part of names where all that match are meant.

    Args:
        model (nn.Module): The model.
        names (Sequence[str]): Names of submodules, or of methods.

    Returns:
        list[str]: Names that :func:`recompute_modules` takes for the same.

    Example:
        >>> net = nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()))
        >>> shorten(net, ['0.0', '0.1'])
        ['0.*']
    """
    children: dict[str, set[str]] = {}
    for name, _ in model.named_modules(remove_duplicate=False):
        children.setdefault(name.rpartition('.')[0], set()).add(name)
    meant = set(names)
    short = []
    for name in names:
        around = name.rpartition('.')[0]
        siblings = children.get(around, set())
        is_all = around and {name} < siblings <= meant
        short.append(f'{around}.*' if is_all else name)
    return list(dict.fromkeys(short))
