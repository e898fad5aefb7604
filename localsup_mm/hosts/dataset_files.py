"""The folders that a data set is read from."""

import inspect
import os.path as osp
from typing import Optional

from mmengine.registry import DATASETS

from .part_type import find_class

__all__ = ['check_files', 'check_folders']


def check_files(dataset: dict, loader: str, scope: Optional[str]) -> None:
    """Check that the folders of a data set are there, or will be.

    Args:
        dataset (dict): Its config. A data set with an argument ``download``
            that is true fetches its files itself.
        loader (str): The data loader it belongs to, for messages.
        scope (str, optional): The registry in which its type is looked up.

    Raises:
        FileNotFoundError: If a folder is missing.
    """
    cls = find_class(dataset, DATASETS, scope)
    parameters = inspect.signature(cls).parameters if cls else {}
    if 'download' in parameters:
        default = parameters['download'].default
        if dataset.get('download', default):
            return
    check_folders(dataset, loader)


def check_folders(
    dataset: dict,
    loader: str,
    advice: str = 'Set data_root to where the data set is.',
) -> None:
    """Check that the folders of a data set are there.

    Args:
        dataset (dict): Its config, with ``data_root`` and ``data_prefix``.
        loader (str): The data loader it belongs to, for messages.
        advice (str): Way out if a folder is missing. Defaults to setting
            ``data_root``.

    Raises:
        FileNotFoundError: If a folder is missing.
    """
    root = dataset.get('data_root') or ''
    for prefix in (dataset.get('data_prefix') or {'': ''}).values():
        folder = osp.join(root, prefix) if isinstance(prefix, str) else ''
        if '://' not in folder and not osp.isdir(folder or '.'):
            raise FileNotFoundError(
                f'`{loader}.dataset.data_root` should hold the data set, '
                f'but got {root!r} without the folder {folder!r}. {advice}'
            )
