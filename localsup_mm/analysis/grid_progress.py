"""Progress and time left of the trainings of a grid."""

import statistics
from collections.abc import Sequence
from typing import Any

from .grid import Cell

__all__ = ['GridProgress']


class GridProgress:
    """The trainings that are finished, and how long the rest will take.

    Args:
        cells (Sequence[Cell]): All trainings.
        processes (int): How many run at a time.
    """

    def __init__(self, cells: Sequence[Cell], processes: int) -> None:
        self._numbers = {cell.folder: i for i, cell in enumerate(cells, 1)}
        self._left = {cell.folder: cell for cell in cells}
        self._seconds: dict[str, list[float]] = {}
        self._processes = processes

    def title(self, cell: Cell) -> str:
        """Return what a line about a training begins with.

        Args:
            cell (Cell): The training.

        Returns:
            str: Its number among all, its setting and its seed.
        """
        number = self._numbers[cell.folder]
        return f'[{number}/{len(self._numbers)}] {cell.name}, seed {cell.seed}'

    def finish(self, cell: Cell, record: dict[str, Any]) -> None:
        """Take down that a training is finished.

        Args:
            cell (Cell): The training.
            record (dict): Its record.
        """
        del self._left[cell.folder]
        self._seconds.setdefault(cell.name, []).append(record['seconds'])

    def describe_rest(self) -> str:
        """Say how long the rest will take, as settings took on average.

        Returns:
            str: ``', about 2 h 10 min left'``, or '' at the end.
        """
        if not self._left:
            return ''
        means = {n: statistics.mean(s) for n, s in self._seconds.items()}
        usual = statistics.mean(means.values())
        seconds = sum(means.get(c.name, usual) for c in self._left.values())
        minutes = max(round(seconds / self._processes / 60), 1)
        hours = f'{minutes // 60} h ' if minutes >= 60 else ''
        return f', about {hours}{minutes % 60} min left'
