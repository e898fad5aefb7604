"""The mode of a context supply."""

import re
from dataclasses import dataclass

__all__ = ['ContextMode', 'parse_context_mode']


@dataclass(frozen=True)
class ContextMode:
    """The sources that a context supply encodes.

    Args:
        num_sources (int): Inputs of how many local modules, at most, counted
            back from a boundary: n of ``'r{n}'``.
        has_image (bool): Whether the image is encoded, too: the ``e``.
    """

    num_sources: int
    has_image: bool


def parse_context_mode(mode: str) -> ContextMode:
    """Read a mode as ContSup writes it.

    Args:
        mode (str): ``'e'``, ``'r{n}'`` or ``'r{n}e'``.

    Returns:
        ContextMode: Its parts.

    Raises:
        ValueError: If it is none of these.

    Example:
        >>> parse_context_mode('r1e')
        ContextMode(num_sources=1, has_image=True)
    """
    found = re.fullmatch(r'(?:r(\d+))?(e)?', str(mode).lower())
    if found is None or not mode:
        raise ValueError(
            "`mode` of context_supply should be 'e', 'r{n}' or 'r{n}e' with "
            f"a number n, e.g. 'r1e', but got {mode!r}. 'r0' supplies "
            'nothing.'
        )
    return ContextMode(int(found[1] or 0), found[2] is not None)
