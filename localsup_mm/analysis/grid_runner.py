"""Train the cells of a grid."""

import argparse
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

from mmengine.config import Config, DictAction

from ..hosts import find_host, make_inheritable
from .cell_record import (
    find_schedule,
    read_curve,
    read_record,
    read_seconds,
    write_record,
)
from .folder_lock import locked
from .grid import Cell
from .setting import find_versions

__all__ = ['GridRunner']


@dataclass(frozen=True)
class GridRunner:
    """Trains cells in folders of a work dir, each in a process of its own.

    A cell that is finished is not trained again, and one that was
    interrupted is resumed from its latest checkpoint: the same call goes on
    where it stopped.

    Args:
        work_dir (Path): The folder with the folders of all cells.
        metric (str): A key of the evaluation.
        train_command (Sequence[str]): Words that begin the command of a
            training; a config, ``--work-dir``, ``--resume`` and
            ``--cfg-options`` follow.
        schedule (str, optional): A config file that is merged onto each
            config. Defaults to None.
        overrides (dict): Settings of all cells, by dotted key. Defaults to
            none.
        threads (int, optional): The threads of a training. Defaults to None:
            as many as torch takes.
    """

    work_dir: Path
    metric: str
    train_command: Sequence[str] = ()
    schedule: Optional[str] = None
    overrides: dict[str, Any] = field(default_factory=dict)
    threads: Optional[int] = None
    _running: list[subprocess.Popen] = field(default_factory=list)

    def load_config(self, cell: Cell) -> Config:
        """Load the config of a cell as it is trained.

        Args:
            cell (Cell): The training.

        Returns:
            Config: The config with schedule, overrides and seed merged.
        """
        with TemporaryDirectory() as folder:
            text = self._make_text(cell, Path(folder))
            cfg = Config.fromstring(text, '.py')
        cfg.merge_from_dict(self._find_overrides(cell))
        return cfg

    def check(self, cells: Sequence[Cell]) -> None:
        """Refuse a work dir that was begun with another schedule.

        Args:
            cells (Sequence[Cell]): The cells that are to be trained in it.

        Raises:
            ValueError: If one of them was begun for longer or shorter, on
                other batches, or with another optimizer.
        """
        for cell in cells:
            run = self.work_dir / cell.folder
            record = read_record(run)
            if record is None:
                continue
            wanted = find_schedule(self.load_config(cell))
            keys = [k for k in wanted if wanted[k] != record['schedule'][k]]
            if keys:
                there = {key: record['schedule'][key] for key in keys}
                wanted = {key: wanted[key] for key in keys}
                raise ValueError(
                    '`--work-dir` should hold runs of one schedule, but got '
                    f'{run} with {there!r}, not {wanted!r}. Give each '
                    'schedule a work dir of its own.'
                )

    def read(self, cell: Cell) -> Optional[dict[str, Any]]:
        """Read the results of a cell.

        Args:
            cell (Cell): The training.

        Returns:
            dict | None: Its record, with the ``curve`` of the metric and its
            ``final`` value; None if it is not finished.

        Raises:
            ValueError: If its evaluations do not have the metric.
        """
        run = self.work_dir / cell.folder
        record = read_record(run)
        if record is None or not record['finished']:
            return None
        return self._add_curve(run, record)

    def _add_curve(self, run: Path, record: dict) -> dict[str, Any]:
        if record.get('metric') != self.metric:
            curve = read_curve(run, self.metric)
            record.update(metric=self.metric, curve=curve)
            record['final'] = list(curve.values())[-1]
        return record

    def train(self, cell: Cell) -> dict[str, Any]:
        """Train a cell to its end, and write its record.

        Args:
            cell (Cell): The training.

        Returns:
            dict: The record; :meth:`read` tells its keys.

        Raises:
            RuntimeError: If the training fails; with the end of its log.
        """
        run = self.work_dir / cell.folder
        cfg = self.load_config(cell)
        record = read_record(run) or dict(
            name=cell.name,
            config=cell.config,
            overrides={**cell.overrides, **self.overrides},
            seed=cell.seed,
            schedule=find_schedule(cfg),
            versions=find_versions(find_host(cfg).scope),
            seconds=0.0,
            finished=False,
        )
        write_record(run, record)
        begin = time.monotonic()
        try:
            self._run_process(cell, run)
            record['finished'] = True
        finally:
            record['seconds'] += round(time.monotonic() - begin, 1)
            write_record(run, record)
        record['seconds_per_iteration'] = read_seconds(run)
        write_record(run, record)
        # the metric may be mistaken: the training is not in vain
        write_record(run, self._add_curve(run, record))
        return record

    def stop(self) -> None:
        """End the trainings that run; they are resumed later."""
        for process in list(self._running):
            process.terminate()

    def _find_overrides(self, cell: Cell) -> dict[str, Any]:
        seed = {'randomness.seed': cell.seed}
        return {**cell.overrides, **self.overrides, **seed}

    def _make_text(self, cell: Cell, folder: Path) -> str:
        """Write a config of a cell: its file, then the schedule."""
        copy = str(folder / f'{cell.name}_base.py')
        config = make_inheritable(cell.config, copy)
        text = f'_base_ = [{config!r}]\n'
        if self.schedule is not None:
            text += Path(self.schedule).read_text()
        return text

    def _run_process(self, cell: Cell, run: Path) -> None:
        config = run / f'{cell.name}.py'
        config.write_text(self._make_text(cell, run))
        words = [str(config), '--work-dir', str(run), '--resume']
        words += ['--cfg-options', *_to_words(self._find_overrides(cell))]
        log = run / 'train.log'
        environment = dict(os.environ)
        if self.threads is not None:
            environment['OMP_NUM_THREADS'] = str(self.threads)
        with log.open('a') as file, locked(run) as lock:
            # a process that outlives this one keeps the lock
            process = subprocess.Popen(
                [*self.train_command, *words],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(lock,),
            )
            self._running.append(process)
            try:
                status = process.wait()
            finally:
                self._running.remove(process)
        if status:
            lines = log.read_text().splitlines()[-20:]
            raise RuntimeError(
                f'{cell.folder} should train to its end, but got exit status '
                f'{status}. {log} ends with:\n' + '\n'.join(lines)
            )


def _to_words(overrides: dict[str, Any]) -> list[str]:
    """Turn overrides into words of a command line."""
    words = [f'{key}={_to_text(value)}' for key, value in overrides.items()]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    read = parser.parse_args(['--cfg-options', *words]).cfg_options
    for key, value in overrides.items():
        if read[key] != value:
            raise ValueError(
                '`overrides` should be numbers, words or lists of them, but '
                f'got {value!r} for {key!r}. Write it into a config file.'
            )
    return words


def _to_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        begin, end = '[]' if isinstance(value, list) else '()'
        return f'{begin}{",".join(map(_to_text, value))}{end}'
    return str(value)
