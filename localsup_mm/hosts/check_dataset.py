"""Checks of data by their host."""

from typing import Any, Optional

from mmengine.structures import BaseDataElement
from torch import nn

from .dataset_files import check_files
from .known_hosts import known_hosts
from .part_type import spell_type

__all__ = ['check_dataset', 'check_labels']


def check_dataset(dataset: dict, loader: str, scope: Optional[str]) -> None:
    """Check that the files of a data set are there and as they should be.

    Args:
        dataset (dict): Its config; a host's name before its type counts more
            than the scope.
        loader (str): The data loader it belongs to, for messages.
        scope (str, optional): ``default_scope`` of the whole config.

    Raises:
        FileNotFoundError: If a folder or a file is missing.
        ValueError: If a file is not what it should be.
    """
    hosts = known_hosts()
    prefix = spell_type(dataset).split('.')[0]
    host = hosts.get(prefix) or hosts.get(scope or '')
    if host is None:
        check_files(dataset, loader, scope)
    else:
        host.check_dataset(dataset, loader)


def check_labels(
    model: nn.Module, data_batch: Any, scope: Optional[str]
) -> None:
    """Check the labels of the first batch against the model.

    Args:
        model (nn.Module): The bare model.
        data_batch (Any): Batch of the data loader; without data samples in a
            list there is nothing to check.
        scope (str, optional): ``default_scope`` of the whole config.

    Raises:
        SetupError: If the model cannot learn from them.
    """
    host = known_hosts().get(scope or '')
    samples = isinstance(data_batch, dict) and data_batch.get('data_samples')
    if host is not None and isinstance(samples, (list, tuple)):
        known = [s for s in samples if isinstance(s, BaseDataElement)]
        host.check_labels(model, known)
