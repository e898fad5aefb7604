"""A check of data sets without images."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import isdir
from types import TracebackType
from typing import Any, Optional

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.utils import scandir
from torch.utils.data import DataLoader

from ...errors import SetupError

__all__ = ['check_not_empty', 'empty_data_explained']


def check_not_empty(loader: DataLoader) -> None:
    """Check that there are images, and warn where they make no batch.

    Args:
        loader (DataLoader): The loader of the training data.

    Raises:
        SetupError: If its data set is empty.
    """
    dataset: Any = loader.dataset
    if not hasattr(dataset, '__len__'):
        return
    if len(dataset) == 0:
        raise SetupError(
            '`train_dataloader.dataset` should hold at least one image, but '
            f'got {type(dataset).__name__} with none. Check its files, and '
            'what it filters out.'
        )
    if loader.batch_size and loader.drop_last and len(loader) == 0:
        print_log(
            '`train_dataloader` should have at least one batch, but got none '
            f'of {loader.batch_size} from {len(dataset)} images with '
            'drop_last=True: nothing is learnt. Reduce batch_size.',
            logger='current',
            level=logging.WARNING,
        )


@contextmanager
def empty_data_explained() -> Iterator[None]:
    """Say why a data set is empty, which mmengine fails to concatenate.

    Yields:
        None: While data sets are built.

    Raises:
        SetupError: If one is empty; it says what was found.
    """
    try:
        yield
    except ValueError as error:
        dataset = _find_empty(error.__traceback__)
        if dataset is None:
            raise
        raise SetupError(_explain(dataset)) from error


def _find_empty(trace: Optional[TracebackType]) -> Optional[BaseDataset]:
    """Find the data set that mmengine was about to serialize."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        found = frame.f_locals
        if (
            frame.f_globals.get('__name__') == BaseDataset.__module__
            and found.get('data_list') == []
            and isinstance(found.get('self'), BaseDataset)
        ):
            return found['self']
    return None


def _explain(dataset: BaseDataset) -> str:
    kind = type(dataset).__name__
    found = len(dataset.load_data_list())
    if found:
        return (
            '`filter_cfg` and `indices` of a data set should leave at least '
            f'one image, but got {kind} of {dataset.data_root!r} with none '
            f'of {found}, by filter_cfg={dataset.filter_cfg!r}. Check that '
            "the images have annotations of metainfo['classes'], "
            f'{list(dataset.metainfo.get("classes") or ())[:5]} and so on, '
            'or filter less.'
        )
    suffix = getattr(dataset, 'img_suffix', None)
    if suffix is None or dataset.ann_file:
        return (
            '`ann_file` should list at least one image, but got '
            f'{dataset.ann_file!r} with none for {kind}. Check that it is '
            'the right file.'
        )
    folder = dataset.data_prefix.get('img_path', '')
    file = next(scandir(folder, recursive=True), '') if isdir(folder) else ''
    names = f'files such as {file!r}' if file else 'no files'
    return (
        f'`img_suffix` should end the names of images of {kind}, but got '
        f'{suffix!r}, and in {folder!r} there are {names}. Set it to what '
        'their names have in common.'
    )
