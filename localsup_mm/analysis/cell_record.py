"""The record of one training: its settings and its results."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

__all__ = [
    'find_schedule',
    'read_curve',
    'read_record',
    'read_seconds',
    'write_record',
]

_FILE = 'cell.json'


def read_record(run: Path) -> Optional[dict[str, Any]]:
    """Read the record of a training.

    Args:
        run (Path): The folder of the training; it need not be there.

    Returns:
        dict | None: None if the training has not begun.
    """
    path = run / _FILE
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    # JSON has no integers as keys
    curve = record.get('curve', {})
    record['curve'] = {int(step): value for step, value in curve.items()}
    return record


def write_record(run: Path, record: dict[str, Any]) -> None:
    """Write the record of a training.

    Args:
        run (Path): The folder of the training; made if need be.
        record (dict): The record, with the keys that :func:`read_record`
            returns.
    """
    run.mkdir(parents=True, exist_ok=True)
    # a run that is killed meanwhile leaves the old one
    path = run / f'{_FILE}.new'
    path.write_text(json.dumps(record, indent=1) + '\n')
    path.replace(run / _FILE)


def find_schedule(cfg: Config) -> dict[str, Any]:
    """Find the settings that decide how a network is trained.

    Args:
        cfg (Config): The whole config.

    Returns:
        dict: The settings as plain data, which can be compared.
    """
    schedule = dict(
        train_cfg=cfg.get('train_cfg'),
        batch_size=cfg.train_dataloader.batch_size,
        optim_wrapper=cfg.get('optim_wrapper'),
        param_scheduler=cfg.get('param_scheduler'),
    )
    return json.loads(json.dumps(schedule, default=str))


def read_curve(run: Path, metric: str) -> dict[int, float]:
    """Read a metric from the logs of a training.

    Args:
        run (Path): The folder of the training.
        metric (str): A key of its evaluations.

    Returns:
        dict[int, float]: The metric by iteration, or epoch, of each
        evaluation.

    Raises:
        ValueError: If no evaluation has the metric.
    """
    values, step = {}, 0
    for record in _read_logs(run):
        # an evaluation's own step may count epochs
        step = max(step, record['step'])
        if metric in record:
            values[step] = record[metric]
    if not values:
        raise ValueError(
            f'`--metric` should be a key of the evaluation, but got '
            f'{metric!r}, which {run} has not. Look at its scalars.json.'
        )
    return values


def read_seconds(run: Path) -> Optional[float]:
    """Read the median time of a training iteration from the logs.

    Args:
        run (Path): The folder of the training.

    Returns:
        float | None: Seconds; None if none were logged.
    """
    times = [
        record['time']
        for record in _read_logs(run)
        # an evaluation logs its time too, but no learning rate
        if 'lr' in record and 'time' in record
    ]
    return statistics.median(times) if times else None


def _read_logs(run: Path) -> Iterator[dict[str, Any]]:
    for log in sorted(run.glob('*/vis_data/scalars.json')):
        yield from map(json.loads, log.read_text().splitlines())
