"""Faults of data, as errors or warnings."""

import logging

from mmengine.logging import print_log
from torch import nn

from ..errors import SetupError

__all__ = ['is_of_package', 'report']


def report(message: str, *, is_certain: bool) -> None:
    """Raise an error where the host would fail, else log a warning.

    Args:
        message (str): The fault and the way out.
        is_certain (bool): Whether the host would fail.

    Raises:
        SetupError: If that is certain.
    """
    if is_certain:
        raise SetupError(message)
    print_log(message, logger='current', level=logging.WARNING)


def is_of_package(package: str, *parts: nn.Module) -> bool:
    """Tell whether modules are a package's own, so that we know what they do.

    Args:
        package (str): Name of the package.
        *parts (nn.Module): Modules of a model.

    Returns:
        bool: False if the class of one is defined elsewhere.
    """
    return all(
        type(part).__module__.partition('.')[0] == package for part in parts
    )
