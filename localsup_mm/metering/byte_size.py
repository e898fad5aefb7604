"""Sizes of memory, as people write them."""

import re
from typing import Optional, Union

__all__ = ['format_bytes', 'parse_bytes']

_UNITS = {
    'B': 1,
    'KB': 1000,
    'MB': 1000**2,
    'GB': 1000**3,
    'TB': 1000**4,
    'KIB': 2**10,
    'MIB': 2**20,
    'GIB': 2**30,
    'TIB': 2**40,
}


def parse_bytes(size: Union[int, str], argument: str) -> int:
    """Read a size of memory.

    Args:
        size (int | str): Bytes, or a number with a unit: ``'8GiB'``,
            ``'500 MiB'``, ``'2.5GB'``.
        argument (str): Name of the setting, for messages.

    Returns:
        int: The size, in bytes.

    Raises:
        ValueError: If it cannot be read, or is not positive.

    Example:
        >>> parse_bytes('1.5GiB', 'memory_budget')
        1610612736
    """
    match = re.fullmatch(
        r'(\d+(?:\.\d*)?|\.\d+) *([kmgt]?i?b)', str(size).strip(), re.I
    )
    found = size
    if match and match[2].upper() in _UNITS:
        found = round(float(match[1]) * _UNITS[match[2].upper()])
    if not isinstance(found, int) or isinstance(found, bool) or found <= 0:
        raise ValueError(
            f'`{argument}` should be a number with a unit, or an int of '
            f"bytes, but got {size!r}. Write e.g. '8GiB' or '500MiB'."
        )
    return found


def format_bytes(
    size: int, round_up: bool = False, unit_of: Optional[int] = None
) -> str:
    """Write a size of memory.

    Args:
        size (int): Bytes.
        round_up (bool): Whether to round up to a size that is not less.
            Defaults to False: the size is rounded to the nearest.
        unit_of (int, optional): Another size, in whose unit it is written, so
            that the two can be compared. Defaults to None: its own.

    Returns:
        str: The size in GiB, or in MiB below one tenth of a GiB.

    Example:
        >>> format_bytes(2**31), format_bytes(2**20)
        ('2.00 GiB', '1.0 MiB')
        >>> format_bytes(2**31 + 1, round_up=True)
        '2.01 GiB'
    """
    unit, name, digits = 2**30, 'GiB', 2
    if (size if unit_of is None else unit_of) < 0.1 * 2**30:
        unit, name, digits = 2**20, 'MiB', 1
    if round_up:
        size = -(-size * 10**digits // unit) * unit / 10**digits
    return f'{size / unit:.{digits}f} {name}'
