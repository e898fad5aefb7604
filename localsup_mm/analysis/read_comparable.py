"""Configs whose models can be built and counted side by side."""

from typing import Optional

from mmengine.config import Config

from ..hosts import read_training
from ..planning import resolve_auto
from ..simulation import drop_pretrained

__all__ = ['prepare_config', 'read_comparable']


def read_comparable(
    path: str, size: Optional[tuple[int, int]] = None
) -> Config:
    """Read a config, with a model as the Runner would build it.

    Args:
        path (str): The config file, or ``'mmdet::...'`` for one that a host
            brings.
        size (tuple[int, int], optional): H and W of the images, in pixels.
            Defaults to None: that of the config.

    Returns:
        Config: See :func:`prepare_config`.

    Raises:
        ValueError: If it is no config of a training, see
            :func:`read_training`.
    """
    cfg = read_training(path)
    prepare_config(cfg, size)
    return cfg


def prepare_config(
    cfg: Config, size: Optional[tuple[int, int]] = None
) -> None:
    """Make the model of a config one that can be built and counted.

    Pretrained weights cost nothing in training and would be downloaded: they
    are left out. ``boundaries='auto'`` is resolved.

    Args:
        cfg (Config): The config of a training; it is changed in place.
        size (tuple[int, int], optional): H and W of the images, in pixels.
            Defaults to None: that of the config.
    """
    drop_pretrained(cfg.model)
    resolve_auto(cfg)
    if 'data_preprocessor' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    preprocessor = cfg.model.get('data_preprocessor') or {}
    if size is not None and 'size' in preprocessor:
        preprocessor['size'] = size
