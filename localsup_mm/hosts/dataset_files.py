"""The folders that a data set is read from."""

import inspect
import os.path as osp
from typing import Optional

from mmengine.registry import DATASETS

from .part_type import find_class

__all__ = [
    'check_files',
    'check_folders',
    'is_local',
    'reads_labels',
]


def is_local(dataset: dict, path: str) -> bool:
    """Tell whether a path is one of this machine's file system.

    Args:
        dataset (dict): Config of the data set that reads it.
        path (str): The path.

    Returns:
        bool: False if it is in a store that only the host can read.
    """
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    return backend == 'local' and '://' not in path


__all__ = ['check_files', 'check_folders']


def reads_labels(dataset: dict) -> bool:
    """Tell whether a data set loads labels; for a test it need not.

    Args:
        dataset (dict): Its config.

    Returns:
        bool: True also where the config has no pipeline.
    """
    pipeline = dataset.get('pipeline') or []
    types = [t.get('type') if isinstance(t, dict) else t for t in pipeline]
    return not types or any('Annot' in str(t) for t in types)


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
        dataset (dict): Its config, with ``data_root`` and ``data_prefix``, a
            name or a dict of names.
        loader (str): The data loader it belongs to, for messages.
        advice (str): Way out if a folder is missing. Defaults to setting
            ``data_root``.

    Raises:
        FileNotFoundError: If a folder is missing.
    """
    root = dataset.get('data_root') or ''
    for prefix in _find_prefixes(dataset):
        folder = osp.join(root, prefix)
        if is_local(dataset, folder) and not osp.isdir(folder or '.'):
            raise FileNotFoundError(
                f'`{loader}.dataset.data_root` should hold the data set, '
                f'but got {root!r} without the folder {folder!r}. {advice}'
            )


def _find_prefixes(dataset: dict) -> list[str]:
    prefixes = dataset.get('data_prefix') or ''
    if isinstance(prefixes, str):
        # mmpretrain's way, which takes a home directory, too
        return [osp.expanduser(prefixes)]
    return [
        prefix
        for name, prefix in prefixes.items()
        if isinstance(prefix, str)
        and ('seg' not in name or reads_labels(dataset))
    ]
