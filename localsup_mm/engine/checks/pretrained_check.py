"""A check of weights that a training starts from."""

import os.path as osp
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlparse

import torch
from mmengine.config import Config
from mmengine.model import PretrainedInit
from mmengine.runner import (
    get_deprecated_model_names,
    get_external_models,
    get_mmcls_models,
    get_torchvision_models,
)

from ...hosts import find_network_error

__all__ = ['check_pretrained']

# where mmengine looks up the address of a name
_ZOOS = {
    'torchvision://': get_torchvision_models,
    'modelzoo://': get_torchvision_models,
    'open-mmlab://': get_external_models,
    'openmmlab://': get_external_models,
    'mmcls://': get_mmcls_models,
}

_PRETRAINED = ('Pretrained', PretrainedInit)


def check_pretrained(cfg: Config) -> None:
    """Check that weights a training starts from are there or can be loaded.

    Args:
        cfg (Config): The config of a training.

    Raises:
        FileNotFoundError: If a file is neither there nor within reach; it
            says where to put it.
    """
    for place, path in _find_weights(cfg.get('model') or {}, 'model'):
        _check(place, path)
    if '://' in (cfg.get('load_from') or ''):
        _check('load_from', cfg.load_from)


def _check(place: str, path: str) -> None:
    without = f'--cfg-options {place.removesuffix(".checkpoint")}=None'
    if '://' not in path:
        if not osp.isfile(osp.expanduser(path)):
            raise FileNotFoundError(
                f'`{place}` should be a file of weights, but got {path!r}. '
                f'Give its path, or leave it out: {without}'
            )
        return
    url = _find_url(path)
    if url is None:
        return
    # as torch.hub names it
    file = Path(torch.hub.get_dir(), 'checkpoints', _name_file(url))
    reason = None if file.is_file() else find_network_error(url)
    if reason:
        raise FileNotFoundError(
            f'`{place}` should be weights within reach, but got {path!r}: '
            f'{str(file)!r} is not there, and {url} cannot be downloaded '
            f'({reason}). Get that file and put it there, or leave it out: '
            f'{without}'
        )


def _find_url(path: str) -> Optional[str]:
    """Find the address of weights; None if mmengine has another way."""
    if path.startswith(('http://', 'https://')):
        return path
    for prefix, get_addresses in _ZOOS.items():
        if path.startswith(prefix):
            name = path.removeprefix(prefix)
            name = get_deprecated_model_names().get(name, name)
            url = get_addresses().get(name, '')
            return url if url.startswith('http') else None
    return None


def _name_file(url: str) -> str:
    return osp.basename(urlparse(url).path)


def _find_weights(cfg: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield what is loaded below a part of a model, by its place."""
    if isinstance(cfg, (list, tuple)):
        for i, part in enumerate(cfg):
            yield from _find_weights(part, f'{place}.{i}')
    if not isinstance(cfg, dict):
        return
    pretrained = cfg.get('pretrained')
    if isinstance(pretrained, str) and '://' in pretrained:
        yield f'{place}.pretrained', pretrained
    init_cfg = cfg.get('init_cfg')
    if isinstance(init_cfg, dict) and init_cfg.get('type') in _PRETRAINED:
        checkpoint = init_cfg.get('checkpoint')
        if isinstance(checkpoint, str):
            yield f'{place}.init_cfg.checkpoint', checkpoint
        # what is below is not initialized by itself then
        return
    for name, part in cfg.items():
        yield from _find_weights(part, f'{place}.{name}')
