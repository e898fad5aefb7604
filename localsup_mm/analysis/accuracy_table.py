"""A row for each setting of a grid: accuracy, and what it costs."""

import copy
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from mmengine.config import Config

from ..simulation import peak_memory, read_workload
from .grid import Grid
from .inference_cost import InferenceCost, count_at_inference
from .read_comparable import prepare_config

__all__ = ['SettingCost', 'count_setting', 'make_accuracy_table']

_COST_COLUMNS = (
    'parameters',
    'more (%)',
    'MACs (M)',
    'more (%)',
    'peak memory (MiB)',
)


@dataclass(frozen=True)
class SettingCost:
    """The costs of one setting of a grid.

    Args:
        inference (InferenceCost): The costs of the trained network.
        peak_memory (int): The most bytes in a training iteration.
    """

    inference: InferenceCost
    peak_memory: int


def count_setting(cfg: Config) -> SettingCost:
    """Count the costs of a setting, without training it.

    Args:
        cfg (Config): The whole config; it is not changed.

    Returns:
        SettingCost: The costs at its image size and, in training, its batch
        size.
    """
    cfg = copy.deepcopy(cfg)
    prepare_config(cfg)
    return SettingCost(
        count_at_inference(cfg),
        peak_memory(read_workload(cfg, is_local=True)),
    )


def make_accuracy_table(
    grid: Grid,
    records: dict[str, dict[int, dict[str, Any]]],
    costs: Optional[dict[str, SettingCost]] = None,
) -> tuple[list[str], list[list[str]]]:
    """Make a table of what is finished so far.

    Args:
        grid (Grid): Its settings are the rows.
        records (dict[str, dict[int, dict]]): The record of each finished
            training, by setting and seed.
        costs (dict[str, SettingCost], optional): The costs of each setting.
            Defaults to None, which leaves them out.

    Returns:
        tuple[list[str], list[list[str]]]: The columns, and the cells of each
        row.
    """
    settings = list(dict.fromkeys(cell.name for cell in grid.cells))
    seeds = list(dict.fromkeys(cell.seed for cell in grid.cells))
    header = ['config', *(f'seed {seed}' for seed in seeds), 'mean', 'std']
    if grid.baseline is not None:
        header += [f'minus {grid.baseline}', 'std']
    header += [*(_COST_COLUMNS if costs else ()), 'time (s/iter)']
    baseline = records.get(grid.baseline or '', {})
    rows = []
    for name in settings:
        runs = records.get(name, {})
        finals = [_find_final(grid, runs.get(seed)) for seed in seeds]
        times: list[float] = [
            run['seconds_per_iteration']
            for run in runs.values()
            if run.get('seconds_per_iteration') is not None
        ]
        row = [name, *map(_round, finals), *_summarize(finals)]
        if grid.baseline is not None:
            others = [_find_final(grid, baseline.get(seed)) for seed in seeds]
            row += _summarize(
                [
                    None if a is None or b is None else a - b
                    for a, b in zip(finals, others)
                ]
            )
        if costs:
            row += _format_costs(costs[name])
        row.append(f'{statistics.median(times):.3f}' if times else '')
        rows.append(row)
    return header, rows


def _find_final(grid: Grid, record: Optional[dict]) -> Optional[float]:
    if record is None:
        return None
    return 100 - record['final'] if grid.as_error else record['final']


def _round(value: Optional[float]) -> str:
    return '' if value is None else f'{value:.2f}'


def _summarize(finals: Sequence[Optional[float]]) -> tuple[str, str]:
    """Compute mean and standard deviation of the values that are there."""
    done = [final for final in finals if final is not None]
    return (
        _round(statistics.mean(done) if done else None),
        _round(statistics.stdev(done) if len(done) > 1 else None),
    )


def _format_costs(cost: SettingCost) -> list[str]:
    inference = cost.inference
    return [
        str(inference.parameters),
        f'{inference.more_parameters:.1f}',
        f'{inference.macs / 1e6:.2f}',
        f'{inference.more_macs:.1f}',
        f'{cost.peak_memory / 2**20:.0f}',
    ]
