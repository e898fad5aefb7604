"""Whether the package of a host is there."""

from importlib import import_module
from importlib.util import find_spec
from typing import Optional

from .known_hosts import known_hosts

__all__ = ['check_installed']


def check_installed(
    scope: Optional[str], argument: str, value: object
) -> None:
    """Check that a host's package is there and can be imported.

    Args:
        scope (str, optional): Name of the package; nothing is checked of one
            that is no known host.
        argument (str): Name of the setting that needs it, for the message.
        value (object): Its value.

    Raises:
        ImportError: If it is missing or broken; it says what to install.
    """
    host = known_hosts().get(scope or '')
    # what has no distribution registered itself, so that it is there
    if scope is None or host is None or host.distribution is None:
        return
    advice = f'Run: pip install {host.distribution}'
    if find_spec(scope) is None:
        raise ImportError(
            f'`{argument}` should be of an installed package, but got '
            f'{value!r}, and {scope} is not. {advice}'
        )
    try:
        import_module(f'{scope}.models')
    except Exception as error:
        raise ImportError(
            f'`{argument}` should be of a package that can be imported, but '
            f'got {value!r}, and importing {scope}.models fails: '
            f'{type(error).__name__}: {error}. If files of it are missing, '
            f'reinstall it. {advice}'
        ) from error
