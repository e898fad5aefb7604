"""Train several configs with several seeds and tabulate their accuracy.

Runs one training after the other through ``tools/train.py``. A run that is
finished is not repeated and an interrupted one is resumed, so the same command
goes on where it stopped. Writes ``accuracy.md``, ``accuracy.csv`` and
``accuracy.png``, the metric over the course of the trainings.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt

# of a config, of a seed: the metric after each evaluation
Results = dict[str, dict[int, dict[int, float]]]
TRAIN = Path(__file__).parents[1] / 'train.py'


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('configs', nargs='+', help='train config files')
    parser.add_argument('--work-dir', required=True, help='one for all runs')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--metric', default='mIoU', help='a key of the last evaluation'
    )
    parser.add_argument(
        '--budget',
        help='a config file merged onto each config, for all alike; e.g. '
        'configs/_base_/budgets/cifar10_cpu.py',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], help='for every training'
    )
    return parser.parse_args(argv)


def read_metric(run: Path, metric: str) -> Optional[dict[int, float]]:
    """Iteration to metric, of a finished run; None if it is not."""
    if not (run / 'finished').exists():
        return None
    values, step = {}, 0
    for log in sorted(run.glob('*/vis_data/scalars.json')):
        for record in map(json.loads, log.read_text().splitlines()):
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


def merge_budget(config: str, budget: str) -> str:
    """The text of a config file on top of another one, in a budget."""
    base = f'_base_ = [{str(Path(config).absolute())!r}]\n'
    return base + Path(budget).read_text()


def name_config(config: str) -> str:
    """Folder and file, which together tell the project's configs apart."""
    return '_'.join(Path(config).with_suffix('').parts[-2:])


def find_run(work_dir: str, name: str, seed: int) -> Path:
    """Where a config is trained with a seed."""
    return Path(work_dir) / f'{name}_seed{seed}'


def train(
    config: str,
    seed: int,
    run: Path,
    budget: Optional[str],
    options: Sequence[str],
) -> None:
    run.mkdir(parents=True, exist_ok=True)
    if budget is not None:
        merged = run / Path(config).name
        merged.write_text(merge_budget(config, budget))
        config = str(merged)
    with (run / 'train.log').open('a') as log:
        subprocess.run(
            [
                sys.executable,
                str(TRAIN),
                config,
                '--work-dir',
                str(run),
                '--resume',
                '--cfg-options',
                f'randomness.seed={seed}',
                *options,
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    (run / 'finished').touch()


def run_all(
    configs: dict[str, str], args: argparse.Namespace
) -> Iterator[tuple[str, int, dict[int, float]]]:
    """Train what is not trained yet.

    Args:
        configs (dict[str, str]): Name of its runs to config file.
        args (argparse.Namespace): ``work_dir``, ``seeds``, ``metric``,
            ``budget`` and ``cfg_options`` of the command line.

    Yields:
        tuple[str, int, dict[int, float]]: Name, seed, and iteration to
        metric, after each run.
    """
    total = len(configs) * len(args.seeds)
    # seed by seed, so that an early look compares all configs
    pairs = [(name, s) for s in args.seeds for name in configs]
    for i, (name, seed) in enumerate(pairs, 1):
        run = find_run(args.work_dir, name, seed)
        begin = time.monotonic()
        if read_metric(run, args.metric) is None:
            print(
                f'[{i}/{total}] {name}, seed {seed}: log {run}/train.log',
                flush=True,
            )
            train(configs[name], seed, run, args.budget, args.cfg_options)
        values = read_metric(run, args.metric)
        last = list(values.values())[-1]
        print(
            f'[{i}/{total}] {name}, seed {seed}: {args.metric} {last:.2f} '
            f'({time.monotonic() - begin:.0f} s)',
            flush=True,
        )
        yield name, seed, values


def write_tables(results: Results, metric: str, work_dir: Path) -> str:
    """Write the last values so far; returns the Markdown table."""
    seeds = sorted({seed for runs in results.values() for seed in runs})
    header = ['config', *[f'seed {seed}' for seed in seeds], 'mean', 'std']
    rows = []
    for name, runs in results.items():
        last = {s: list(values.values())[-1] for s, values in runs.items()}
        numbers = list(last.values())
        spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
        numbers = [last.get(seed) for seed in seeds] + [
            statistics.mean(numbers),
            spread,
        ]
        rows.append(
            [name] + ['' if n is None else f'{n:.2f}' for n in numbers]
        )
    with (work_dir / 'accuracy.csv').open('w', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    lines = [f'{metric}:', '']
    table = (header, ['---'] * len(header), *rows)
    lines += ['| ' + ' | '.join(row) + ' |' for row in table]
    table = '\n'.join(lines) + '\n'
    (work_dir / 'accuracy.md').write_text(table)
    return table


def draw_curves(results: Results, metric: str, work_dir: Path) -> None:
    """Draw the metric over the trainings: the mean, and each seed's points."""
    figure, axes = plt.subplots(figsize=(8, 5), layout='constrained')
    for name, runs in results.items():
        steps = sorted(set.intersection(*map(set, runs.values())))
        means = [statistics.mean(r[s] for r in runs.values()) for s in steps]
        (line,) = axes.plot(steps, means, label=f'{name}: {means[-1]:.1f}')
        for values in runs.values():
            axes.plot(
                values.keys(), values.values(), '.', color=line.get_color()
            )
    axes.set(xlabel='iterations', ylabel=metric)
    axes.legend(fontsize='small')
    axes.grid(alpha=0.3)
    figure.savefig(work_dir / 'accuracy.png', dpi=120)
    plt.close(figure)


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    results: Results = {}
    configs = {name_config(config): config for config in args.configs}
    for name, seed, values in run_all(configs, args):
        results.setdefault(name, {})[seed] = values
        table = write_tables(results, args.metric, Path(args.work_dir))
        draw_curves(results, args.metric, Path(args.work_dir))
    print(table)


if __name__ == '__main__':
    main()
