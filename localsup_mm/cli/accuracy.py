"""Compare the accuracy of ways to train a network.

Each config, or each setting of a grid file, is trained with each seed. A
training that is finished is not repeated and an interrupted one is resumed, so
the same command goes on where it stopped. The work dir gets a table (.md,
.csv), curves (.png) and a small cell.json in the folder of each training.

example:
  localsup accuracy configs/contsup/table_1.yml --work-dir work_dirs/contsup
"""

import argparse
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from ..analysis import (
    Grid,
    GridRunner,
    SettingCost,
    count_setting,
    draw_curves,
    format_table,
    make_accuracy_table,
    read_grid,
    run_grid,
    write_csv,
)
from .arguments import add_shared

__all__ = ['add_arguments', 'run']

TRAIN = (sys.executable, '-m', f'{__package__}.main', 'train')
# by setting, and by seed
Records = dict[str, dict[int, dict[str, Any]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    parser.add_argument(
        'grid',
        nargs='+',
        metavar='GRID',
        help='a grid file (.yml), or the configs to compare',
    )
    add_shared(
        parser,
        '--work-dir',
        required=True,
        help='folder of all trainings, of one schedule',
    )
    add_shared(parser, '--seeds')
    parser.add_argument(
        '--metric',
        metavar='KEY',
        help='key of the evaluation (that of the grid, or mIoU)',
    )
    parser.add_argument(
        '--schedule',
        metavar='FILE',
        help='config merged onto all, e.g. '
        'configs/_base_/schedules/cifar10_cpu.py',
    )
    add_shared(parser, '--cfg-options')
    parser.add_argument(
        '--rows', metavar='NAME', help='only these settings; * is any letters'
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=1,
        metavar='N',
        help='trainings at a time, each with one thread (1, with all threads)',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='count size, compute and memory; train nothing',
    )


def run(args: argparse.Namespace) -> None:
    """Train what is not trained yet; write and print the table.

    Args:
        args (argparse.Namespace): The command line.
    """
    warnings.filterwarnings('ignore', category=UserWarning)
    grid = read_grid(args.grid, args.seeds)
    if args.rows:
        grid = grid.select(args.rows)
    work_dir = Path(args.work_dir)
    runner = GridRunner(
        work_dir,
        args.metric or grid.metric,
        TRAIN,
        args.schedule,
        args.cfg_options or {},
        1 if args.processes > 1 else None,
    )
    runner.check(grid.cells)
    work_dir.mkdir(parents=True, exist_ok=True)
    costs = {}
    if grid.with_costs or args.dry_run:
        costs = _count_costs(grid, runner)
    records: Records = {}
    for cell in grid.cells:
        if (record := runner.read(cell)) is not None:
            records.setdefault(cell.name, {})[cell.seed] = record
    table = _write(grid, runner, records, costs)
    if not args.dry_run:
        # it ends the trainings, too; the same command resumes them
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        for cell, record in run_grid(runner, grid.cells, args.processes):
            records.setdefault(cell.name, {})[cell.seed] = record
            table = _write(grid, runner, records, costs)
    print(table)


def _count_costs(grid: Grid, runner: GridRunner) -> dict[str, SettingCost]:
    """Count the costs of each setting; print each when it is there."""
    cells = {cell.name: cell for cell in grid.cells}
    costs = {}
    for i, (name, cell) in enumerate(cells.items(), 1):
        begin = time.monotonic()
        cost = costs[name] = count_setting(runner.load_config(cell))
        print(
            f'[{i}/{len(cells)}] {name}: '
            f'{cost.inference.parameters:,} parameters, '
            f'{cost.inference.macs / 1e6:.1f} M MACs, '
            f'{cost.peak_memory / 2**20:.0f} MiB '
            f'({time.monotonic() - begin:.0f} s)',
            flush=True,
        )
    return costs


def _write(
    grid: Grid,
    runner: GridRunner,
    records: Records,
    costs: dict[str, SettingCost],
) -> str:
    """Write tables and curves; return the table as Markdown."""
    metric = runner.metric
    if grid.as_error:
        metric = f'100 - {metric}'
    header, rows = make_accuracy_table(grid, records, costs)
    path = runner.work_dir / f'{grid.name}.csv'
    write_csv(header, rows, path)
    table = f'{metric}:\n\n{format_table(header, rows)}'
    path.with_suffix('.md').write_text(table)
    curves = {
        name: [_find_curve(grid, record) for record in runs.values()]
        for name, runs in records.items()
    }
    if curves:
        try:
            draw_curves(curves, metric, path.with_suffix('.png'))
        except ImportError as error:  # the tables are worth a training
            table += f'\n{error}\n'
    return table


def _find_curve(grid: Grid, record: dict[str, Any]) -> dict[int, float]:
    if not grid.as_error:
        return record['curve']
    return {step: 100 - value for step, value in record['curve'].items()}
