"""Run one of the six experiments of the ContSup paper.

    python tools/analysis_tools/run_contsup.py 6 \
        --work-dir work_dirs/contsup --seeds 0 1

Trains each setting of the experiment with each seed and writes
``experiment_6.md`` and ``experiment_6.csv`` to the work dir, anew after each
run: test error, parameters, MACs, peak memory and time. A run that is finished
is not repeated and an interrupted one is resumed, so the same command goes on
where it stopped. Experiments share settings; in one work dir each is trained
once. ``--dry-run`` counts the costs and trains nothing.
"""

import argparse
import csv
import json
import re
import statistics
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from compare_accuracy import find_run, merge_budget, read_metric, run_all
from mmengine.config import Config, DictAction
from mmengine.fileio import load
from network_cost import Cost, measure_cost

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'contsup'
EXPERIMENTS = load(CONFIGS / 'experiments.yml')
METRIC = 'accuracy/top1'


@dataclass(frozen=True)
class Setting:
    """One network of the paper.

    Args:
        config (str): A file of ``configs/contsup``.
        mode (str): Of the context supply.
        k (int): Number of local modules.
    """

    config: str
    mode: str
    k: int

    @property
    def name(self) -> str:
        """As a config of its own would be called."""
        return re.sub(
            r'_k\d+_[^-_]+',
            f'_k{self.k}_{self.mode}',
            Path(self.config).stem,
        )

    @property
    def text(self) -> str:
        """The config of its own."""
        return (
            f'_base_ = [{str(CONFIGS / self.config)!r}]\n'
            'model = dict(\n'
            '    backbone=dict(\n'
            f'        context_supply=dict(mode={self.mode!r}),\n'
            f'        local_modules=dict(num_local_modules={self.k}),\n'
            '    )\n'
            ')\n'
        )


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'experiment',
        type=int,
        choices=sorted(EXPERIMENTS),
        help='its number; configs/contsup/experiments.yml lists them',
    )
    parser.add_argument(
        '--work-dir',
        default='work_dirs/contsup',
        help='one for all experiments of one budget',
    )
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0], help='one run for each'
    )
    parser.add_argument(
        '--budget',
        help='a config file merged onto each config, for all alike; e.g. '
        'configs/_base_/budgets/cifar10_cpu.py',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], help='for every training'
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='write the table without training',
    )
    parser.set_defaults(metric=METRIC)
    return parser.parse_args(argv)


def read_experiment(number: int) -> list[Setting]:
    """The settings of an experiment, in the order of its table."""
    return [
        Setting(row['config'], mode, k)
        for row in EXPERIMENTS[number]
        for mode in row['mode']
        for k in row['k']
    ]


def write_config(setting: Setting, work_dir: str) -> str:
    """Write the config of a setting; returns its path."""
    path = Path(work_dir) / 'configs' / f'{setting.name}.py'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(setting.text)
    return str(path)


def load_config(
    path: str, budget: Optional[str] = None, options: Sequence[str] = ()
) -> Config:
    """Load a config as it is trained.

    Args:
        path (str): The config file.
        budget (str, optional): As ``--budget``. Defaults to None.
        options (Sequence[str]): As ``--cfg-options``. Defaults to ().

    Returns:
        Config: With both of them merged.
    """
    if budget is None:
        cfg = Config.fromfile(path)
    else:
        cfg = Config.fromstring(merge_budget(path, budget), '.py')
    if options:
        parser = argparse.ArgumentParser()
        parser.add_argument('--cfg-options', nargs='+', action=DictAction)
        args = parser.parse_args(['--cfg-options', *options])
        cfg.merge_from_dict(args.cfg_options)
    return cfg


def load_experiment(
    number: int,
    work_dir: str,
    budget: Optional[str] = None,
    options: Sequence[str] = (),
) -> dict[Setting, Config]:
    """Write and load the configs of an experiment.

    Args:
        number (int): 1 to 6.
        work_dir (str): Their files come to its folder ``configs``.
        budget (str, optional): As :func:`load_config`. Defaults to None.
        options (Sequence[str]): As :func:`load_config`. Defaults to ().

    Returns:
        dict[Setting, Config]: Of each setting, in the order of its table.
    """
    return {
        setting: load_config(write_config(setting, work_dir), budget, options)
        for setting in read_experiment(number)
    }


def check_budget(run: Path, setting: Setting, cfg: Config) -> None:
    """Refuse a run that was begun with another budget.

    Args:
        run (Path): Its folder; nothing need be there.
        setting (Setting): What is trained there.
        cfg (Config): How it is to be trained.

    Raises:
        ValueError: If it trains for longer or shorter, or on other batches.
    """
    saved = run / f'{setting.name}.py'
    if not saved.exists():
        return
    old = Config.fromfile(saved)
    there, wanted = (
        (dict(c.train_cfg), c.train_dataloader.batch_size) for c in (old, cfg)
    )
    if there != wanted:
        raise ValueError(
            '`--work-dir` should hold runs of one budget, but got '
            f'{run} with train_cfg and batch size {there!r}, not {wanted!r}. '
            'Give each budget a work dir of its own.'
        )


def measure_costs(configs: dict[Setting, Config]) -> dict[Setting, Cost]:
    """Count the costs of settings; prints each when it is there."""
    costs = {}
    for i, (setting, cfg) in enumerate(configs.items(), 1):
        begin = time.monotonic()
        cost = costs[setting] = measure_cost(cfg)
        print(
            f'[{i}/{len(configs)}] {setting.name}: '
            f'{cost.parameters:,} parameters, {cost.macs / 1e6:.1f} M MACs, '
            f'{cost.peak_memory / 2**20:.0f} MiB '
            f'({time.monotonic() - begin:.0f} s)',
            flush=True,
        )
    return costs


def read_error(run: Path) -> Optional[float]:
    """Test error in % at the end of a run, if it is finished."""
    values = read_metric(run, METRIC)
    return None if values is None else 100 - list(values.values())[-1]


def read_time(runs: Iterable[Path]) -> Optional[float]:
    """Median of the logged seconds of a training iteration, if there are."""
    times = [
        record['time']
        for run in runs
        for log in sorted(run.glob('*/vis_data/scalars.json'))
        for record in map(json.loads, log.read_text().splitlines())
        # an evaluation logs its time too, but no learning rate
        if 'lr' in record and 'time' in record
    ]
    return statistics.median(times) if times else None


def make_row(
    setting: Setting, cfg: Config, cost: Cost, runs: Sequence[Path]
) -> list[str]:
    """A row of the table, with what is finished so far."""
    rule = cfg.model.backbone.local_modules
    errors = [read_error(run) for run in runs]
    done = [error for error in errors if error is not None]
    mean = statistics.mean(done) if done else None
    std = statistics.stdev(done) if len(done) > 1 else None
    seconds = read_time(run for run in runs if (run / 'finished').exists())
    return [
        setting.name,
        str(setting.k),
        setting.mode,
        'contrast' if rule.aux_head.type == 'SupConHead' else 'softmax',
        'yes' if rule.get('decoder') else 'no',
        *('' if x is None else f'{x:.2f}' for x in (*errors, mean, std)),
        str(cost.parameters),
        f'{cost.more_parameters:.1f}',
        f'{cost.macs / 1e6:.2f}',
        f'{cost.more_macs:.1f}',
        f'{cost.peak_memory / 2**20:.0f}',
        '' if seconds is None else f'{seconds:.3f}',
    ]


def write_table(
    configs: dict[Setting, Config],
    costs: dict[Setting, Cost],
    args: argparse.Namespace,
) -> str:
    """Write the table of what is finished so far.

    Args:
        configs (dict[Setting, Config]): Of the experiment.
        costs (dict[Setting, Cost]): Of each of them.
        args (argparse.Namespace): The command line.

    Returns:
        str: The table as Markdown.
    """
    header = ['setting', 'K', 'mode', 'loss', 'decoder']
    header += [f'error, seed {seed} (%)' for seed in args.seeds]
    header += ['mean (%)', 'std', 'parameters', 'more (%)', 'MACs (M)']
    header += ['more (%)', 'peak memory (MiB)', 'time (s/iter)']
    rows = []
    for setting, cfg in configs.items():
        runs = [find_run(args.work_dir, setting.name, s) for s in args.seeds]
        rows.append(make_row(setting, cfg, costs[setting], runs))
    path = Path(args.work_dir) / f'experiment_{args.experiment}.csv'
    with path.open('w', newline='') as file:
        csv.writer(file).writerows([header, *rows])
    lines = (header, ['---'] * len(header), *rows)
    table = ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)
    path.with_suffix('.md').write_text(table)
    return table


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', category=UserWarning)
    configs = load_experiment(
        args.experiment, args.work_dir, args.budget, args.cfg_options
    )
    for setting, cfg in configs.items():
        for seed in args.seeds:
            run = find_run(args.work_dir, setting.name, seed)
            check_budget(run, setting, cfg)
    costs = measure_costs(configs)
    table = write_table(configs, costs, args)
    if not args.dry_run:
        files = {s.name: write_config(s, args.work_dir) for s in configs}
        for _ in run_all(files, args):
            table = write_table(configs, costs, args)
    print(table)


if __name__ == '__main__':
    main()
