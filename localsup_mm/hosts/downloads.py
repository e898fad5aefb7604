"""Whether a file can be downloaded."""

import os
from ssl import SSLError
from typing import Optional
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

__all__ = ['find_network_error']

# seconds
_TIMEOUT = 20
# places of a process among those of a run, by launcher
_RANKS = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


def find_network_error(url: str) -> Optional[str]:
    """Find why a server cannot be reached at all.

    Only the first process of a run asks: the others may have no network of
    their own.

    Args:
        url (str): Address of a file.

    Returns:
        str: The reason; None if the server answers, with an error of its own
        perhaps, or is slow. Then the host should try.
    """
    if any(os.environ.get(name, '0') != '0' for name in _RANKS):
        return None
    try:
        with urlopen(url, timeout=_TIMEOUT):
            return None
    except (HTTPError, TimeoutError):
        return None
    except (URLError, OSError) as error:
        reason = getattr(error, 'reason', error)
        may_work = isinstance(reason, (TimeoutError, SSLError))
        return None if may_work else str(reason)
