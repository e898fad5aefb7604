"""The published settings that go by name: cuts and loss weights.

They stand in ``localsup_mm/published/infopro.yml``.
"""

from pathlib import Path
from typing import Any, Optional

from mmengine.fileio import load

__all__ = ['LOSS_WEIGHTS', 'PARTITIONS', 'find_setting']

_INFOPRO = load(Path(__file__).parents[1] / 'published' / 'infopro.yml')

# network: {K: names of the K - 1 boundaries, separated by spaces}
PARTITIONS: dict[str, dict[int, str]] = _INFOPRO['cuts']
# setting: {K: (lambda_1, lambda_2) of the first and of the last local module}
LOSS_WEIGHTS: dict[str, dict[int, list]] = _INFOPRO['loss_weights']


def find_setting(
    table: dict, argument: str, name: str, k: Optional[int]
) -> Any:
    """Look up a published setting.

    Args:
        table (dict): ``PARTITIONS`` or ``LOSS_WEIGHTS``.
        argument (str): Which argument names it, for messages.
        name (str): Its first key.
        k (int, optional): K, its second key.

    Returns:
        Any: The entry.

    Raises:
        ValueError: If there is none; it lists those there are.
    """
    if k in table.get(name, {}):
        return table[name][k]
    if name in table:
        there = f'{name!r} has one for {sorted(table[name])}'
    else:
        there = ', '.join(f'{n!r} {sorted(table[n])}' for n in sorted(table))
        there = f'There are (with K): {there}'
    instead = (
        "boundaries='auto' to let the planner choose, or boundaries=[...] to "
        'cut where you like'
        if table is PARTITIONS
        else 'loss_weights=((a, b), (c, d)): lambda_1 and lambda_2 of the '
        'first and of the last'
    )
    raise ValueError(
        f'`{argument}` should have a published setting for '
        f'num_local_modules={k}, but got {name!r}. {there}. Or give {instead}.'
    )
