"""Configs that this package brings, by ``localsup_mm::...``."""

from difflib import get_close_matches
from pathlib import Path
from typing import Optional

from mmengine.config import Config

__all__ = ['find_own_config', 'let_configs_inherit_ours']

_PACKAGE = Path(__file__).parents[1]
_PREFIX = f'{_PACKAGE.name}::'


def find_own_config(name: str) -> str:
    """Find a config that this package brings.

    Args:
        name (str): For instance
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
    """Let mmengine understand ``_base_ = 'localsup_mm::...'``.

    mmengine looks up a name with ``::`` in a list of OpenMMLab's own packages
    and builds its types in a scope of that name. Ours is not in the list, and
    its configs are of the scope of a host.
    """
    find_path = Config._get_cfg_path
    if getattr(find_path, 'knows_ours', False):
        return

    def find_any_path(
        cfg_path: str, filename: str
    ) -> tuple[str, Optional[str]]:
        if cfg_path.startswith(_PREFIX):
            return find_own_config(cfg_path), None
        return find_path(cfg_path, filename)

    find_any_path.knows_ours = True
    Config._get_cfg_path = staticmethod(find_any_path)
