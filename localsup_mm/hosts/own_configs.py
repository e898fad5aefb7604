"""Configs by a name with ``::``: those of this package, those of hosts."""

from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mmengine.config import utils

from ..upstream import let_configs_inherit
from .known_hosts import known_hosts

__all__ = [
    'find_own_config',
    'let_configs_inherit_any_host',
    'let_configs_inherit_ours',
]

_PACKAGE = Path(__file__).parents[1]
_PREFIX = f'{_PACKAGE.name}::'


def find_own_config(name: str) -> str:
    """Find a config that this package brings.

    Args:
        name (str): Name of the config, for instance
            ``'localsup_mm::infopro/resnet32_k4_softmax_cifar10.py'``.

    Returns:
        str: Its path; in a clone it lies below ``configs``, in a wheel below
        ``localsup_mm/.mim/configs``.

    Raises:
        ValueError: If there is no such config.
    """
    folder = _PACKAGE / '.mim' / 'configs'
    if not folder.is_dir():
        folder = _PACKAGE.parent / 'configs'
    path = folder / name.removeprefix(_PREFIX)
    if path.is_file():
        return str(path)
    names = [p.relative_to(folder).as_posix() for p in folder.rglob('*.py')]
    closest = get_close_matches(name.removeprefix(_PREFIX), names, cutoff=0)
    raise ValueError(
        f'`config` should name one that {_PACKAGE.name} brings, but got '
        f'{name!r}. Closest: {closest}.'
    )


def let_configs_inherit_ours() -> None:
    """Let mmengine understand ``_base_ = 'localsup_mm::...'``."""
    let_configs_inherit(_PREFIX, find_own_config)


def let_configs_inherit_any_host() -> None:
    """Let mmengine understand ``_base_ = 'mmseg::...'`` of any distribution.

    It asks for the distribution mmsegmentation. Where mmseg comes from another
    one, e.g. onedl-mmsegmentation, it looks for the module from now on, as for
    other hosts. So it does for mmaction, mmaction2 and otxmmaction2.
    """
    for scope in known_hosts():
        if not _is_distribution(utils.PKG2PROJECT.get(scope, scope)):
            utils.PKG2PROJECT[scope] = scope


def _is_distribution(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
