"""Reading the config of a training."""

from difflib import get_close_matches
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import get_installed_path

from .known_hosts import find_host, known_hosts

__all__ = ['read_training']


def read_training(path: str) -> Config:
    """Read the config of a training.

    Args:
        path (str): A file, or ``'mmdet::...'`` for one that a host brings.

    Returns:
        Config: The whole config.

    Raises:
        ValueError: If the host or its config is unknown, or it does not train
            a network with a backbone.
    """
    if '::' in path:
        host = path.split('::')[0]
        hosts = tuple(known_hosts())
        if host not in hosts:
            raise ValueError(
                f'`config` should be of one of {hosts}, but got {path!r}. '
                'Name a config of theirs, or a file.'
            )
        cfg = _read_host_config(path)
    else:
        cfg = Config.fromfile(path)
    # its custom_imports, which may add a host, are done by now
    find_host(cfg)
    if 'backbone' not in cfg.get('model', {}) or 'optim_wrapper' not in cfg:
        raise ValueError(
            '`config` should have model.backbone and optim_wrapper, but got '
            f'{path!r} with {sorted(cfg.keys())}. Choose the config of a '
            'training, e.g. one below configs/infopro.'
        )
    for part in (cfg.model.backbone, cfg.optim_wrapper):
        if not isinstance(part.get('type', ''), str):
            raise ValueError(
                '`config` should name types by strings, but got '
                f'{part.type!r} in {path!r}. Configs with read_base() are not '
                'supported: write one without.'
            )
    return cfg


def _read_host_config(path: str) -> Config:
    try:
        return Config.fromstring(f'_base_ = [{path!r}]', '.py')
    except (FileNotFoundError, ValueError):
        host, name = path.split('::', 1)
        folder = Path(get_installed_path(host), '.mim', 'configs')
        names = [
            file.relative_to(folder).as_posix()
            for file in folder.rglob('*.py')
        ]
        if name in names:
            raise
        closest = get_close_matches(name, names, cutoff=0)
        raise ValueError(
            f'`config` should name one that {host} brings, but got {path!r}. '
            f'Closest: {closest}.'
        ) from None
