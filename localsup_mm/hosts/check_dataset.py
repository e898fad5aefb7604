"""The check of a data set by its host."""

from typing import Optional

from .dataset_files import check_files, name_type
from .known_hosts import known_hosts

__all__ = ['check_dataset']


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
    prefix = name_type(dataset).split('.')[0]
    host = hosts.get(prefix) or hosts.get(scope or '')
    if host is None:
        check_files(dataset, loader, scope)
    else:
        host.check_dataset(dataset, loader)
