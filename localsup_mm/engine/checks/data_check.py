"""A check of data sets before anything is loaded."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ...hosts import check_dataset

__all__ = ['check_data']


def check_data(cfg: Config, loader: str) -> None:
    """Check that the files of a data loader's data sets are there.

    Args:
        cfg (Config): The whole config.
        loader (str): ``'train_dataloader'``, ``'val_dataloader'`` or
            ``'test_dataloader'``.

    Raises:
        FileNotFoundError: If a folder or an annotation file is missing or,
            for Cityscapes, there are no label images; it says what to do.
        ValueError: If a file of a data set with known checksums is corrupt,
            or no COCO annotation is of a class of the data set.
    """
    scope = cfg.get('default_scope')
    for dataset in _find_datasets(cfg.get(loader) or {}):
        check_dataset(dataset, loader, scope)


def _find_datasets(cfg: Any) -> Iterator[dict]:
    """Yield data sets below a loader, those inside wrappers included."""
    if isinstance(cfg, dict):
        if 'data_root' in cfg:
            yield cfg
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for value in cfg:
            yield from _find_datasets(value)
