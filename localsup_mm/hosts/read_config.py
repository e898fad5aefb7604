"""Reading a config by its path or its name."""

import os.path as osp
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from mmengine.config import Config
from mmengine.utils import get_installed_path

from ..upstream import is_lazy_config
from .installed import check_installed
from .known_hosts import find_host, known_hosts
from .own_configs import find_own_config
from .part_type import write_out_types

__all__ = ['make_inheritable', 'needs_copy', 'read_config', 'read_training']


def read_config(path: str) -> Config:
    """Read a config.

    Args:
        path (str): A file; or ``'localsup_mm::...'`` for one that this
            package brings, ``'mmdet::...'`` for one of a host.

    Returns:
        Config: The whole config.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the host or its config is unknown.
        ImportError: If the host is not installed, or cannot be imported.
    """
    try:
        cfg = _read(path)
    except ModuleNotFoundError as error:
        # mmengine's, of a host whose config is named
        for scope in known_hosts():
            if str(error).startswith(f'{scope} is not installed'):
                check_installed(scope, 'config', path)
        raise
    check_installed(cfg.get('default_scope'), 'config', path)
    return cfg


def _read(path: str) -> Config:
    if path.startswith('localsup_mm::'):
        return Config.fromfile(find_own_config(path))
    if '::' in path:
        host = path.split('::')[0]
        hosts = tuple(known_hosts())
        if host not in hosts:
            raise ValueError(
                f'`config` should be of one of {hosts}, but got {path!r}. '
                'Name a config of theirs, or a file.'
            )
        return _read_host_config(path)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'`config` should be an existing file, but got {path!r}. Those '
            "that are installed have names such as 'localsup_mm::...' or "
            "'mmdet::...'."
        )
    cfg = Config.fromfile(path)
    write_out_types(cfg)
    return cfg


def make_inheritable(path: str, copy: str) -> str:
    """Make a config one that another may inherit from by ``_base_``.

    mmengine lets none with ``_base_`` inherit from one with ``read_base()``:
    of such a config a copy is written that is whole and has neither.

    Args:
        path (str): A path or a name, as :func:`read_config` takes it.
        copy (str): File of the copy, if there is to be one.

    Returns:
        str: The name, or the absolute path of the file, to inherit from.
    """
    if needs_copy(path):
        read_config(path).dump(copy)
        path = copy
    return path if '::' in path else osp.abspath(path)


def needs_copy(path: str) -> bool:
    """Tell whether no config with ``_base_`` may inherit from a config.

    Args:
        path (str): A path or a name, as :func:`read_config` takes it.

    Returns:
        bool: Whether it is one with ``read_base()``.
    """
    return osp.isfile(path) and is_lazy_config(path)


def read_training(path: str) -> Config:
    """Read the config of a training.

    Args:
        path (str): A path or a name, as :func:`read_config` takes it.

    Returns:
        Config: The whole config.

    Raises:
        ValueError: If it is unknown, of no host that is known, or does not
            train a network with a backbone.
    """
    cfg = read_config(path)
    # its custom_imports, which may add a host, are done by now
    find_host(cfg)
    model = cfg.get('model') or {}
    if 'backbone' not in model or 'optim_wrapper' not in cfg:
        found = f'a model of {sorted(model)}' if model else 'no model'
        if 'optim_wrapper' not in cfg:
            found = f'{found} and no optim_wrapper'
        raise ValueError(
            '`config` should have model.backbone and optim_wrapper, but got '
            f'{found} in {path!r}. Choose the config of a training, e.g. one '
            'below configs/infopro.'
        )
    return cfg


def _read_host_config(path: str) -> Config:
    try:
        # a file of the same name, after which the Runner names its copy
        with TemporaryDirectory() as temporary:
            file = Path(temporary, path.rpartition('/')[2])
            file.write_text(f'_base_ = [{path!r}]')
            return Config.fromfile(file)
    except (OSError, ValueError):
        host, name = path.split('::', 1)
        folder = Path(get_installed_path(host), '.mim', 'configs')
        names = [
            file.relative_to(folder).as_posix()
            for file in folder.rglob('*.py')
        ]
        if name in names:
            raise
        closest = get_close_matches(name, names, cutoff=0.3)
        raise ValueError(
            f'`config` should name one that {host} brings, but got {path!r}. '
            f'Closest: {closest or "none of them"}.'
        ) from None
