"""Train the cells of a grid, one or several at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from .grid import Cell
from .grid_progress import GridProgress
from .grid_runner import GridRunner

__all__ = ['run_grid']


def run_grid(
    runner: GridRunner, cells: Sequence[Cell], processes: int = 1
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Train what is not trained yet.

    A cell that fails does not stop the others.

    Args:
        runner (GridRunner): It trains a cell.
        cells (Sequence[Cell]): The cells, in the order of training.
        processes (int): How many are trained at a time. Defaults to 1.

    Yields:
        tuple[Cell, dict]: Each cell, once it is finished, and its record.

    Raises:
        ValueError: If the evaluations of a training lack the metric.
        RuntimeError: If a training has failed, once all others are finished;
            with the end of its log.
    """
    progress = GridProgress(cells, processes)
    todo, failed = [], []
    for cell in cells:
        record = runner.read(cell)
        if record is None:
            todo.append(cell)
            continue
        _report(runner, progress, cell, record)
        yield cell, record

    def train(cell: Cell) -> dict[str, Any]:
        log = runner.work_dir / cell.folder / 'train.log'
        print(f'{progress.title(cell)}: log {log}', flush=True)
        return runner.train(cell)

    with ThreadPoolExecutor(processes) as pool:
        trainings = {pool.submit(train, cell): cell for cell in todo}
        try:
            for training in as_completed(trainings):
                cell = trainings[training]
                try:
                    record = training.result()
                except RuntimeError as error:
                    print(f'{progress.title(cell)}: failed', flush=True)
                    failed.append(error)
                    continue
                _report(runner, progress, cell, record)
                yield cell, record
        finally:
            # after an interruption nothing begins any more
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
    if failed:
        raise failed[0]


def _report(
    runner: GridRunner,
    progress: GridProgress,
    cell: Cell,
    record: dict[str, Any],
) -> None:
    progress.finish(cell, record)
    print(
        f'{progress.title(cell)}: {runner.metric} {record["final"]:.2f} '
        f'({record["seconds"]:.0f} s{progress.describe_rest()})',
        flush=True,
    )
