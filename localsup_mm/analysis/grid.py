"""A grid of trainings: configs with overrides and seeds."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Optional

from mmengine.fileio import load

__all__ = ['Cell', 'Grid', 'read_grid']

_KEYS = {'metric', 'as_error', 'costs', 'seeds', 'baseline', 'rows'}
_ROW_KEYS = {'config', 'name', 'overrides'}


@dataclass(frozen=True)
class Cell:
    """One training: a config, overrides of it, and a seed.

    Args:
        name (str): The name of the setting; all its seeds share it.
        config (str): The config file, or ``'mmdet::...'``.
        overrides (dict): Settings by dotted key, as ``--cfg-options``.
        seed (int): The seed of the training.
    """

    name: str
    config: str
    overrides: dict[str, Any]
    seed: int

    @property
    def folder(self) -> str:
        """The name of its folder in a work dir."""
        return f'{self.name}_seed{self.seed}'


@dataclass(frozen=True)
class Grid:
    """Trainings to be compared, and the form of their comparison.

    Args:
        name (str): The name of the tables and curves.
        cells (list[Cell]): Seed by seed, so that an early look compares all
            settings.
        metric (str): A key of the evaluation.
        as_error (bool): Whether 100 minus the metric is shown. Defaults to
            False.
        with_costs (bool): Whether the table shows size, compute and memory
            too. Defaults to False.
        baseline (str, optional): The setting that the others are compared
            with, seed by seed. Defaults to None.
    """

    name: str
    cells: list[Cell] = field(default_factory=list)
    metric: str = 'mIoU'
    as_error: bool = False
    with_costs: bool = False
    baseline: Optional[str] = None

    def select(self, pattern: str) -> 'Grid':
        """Keep the settings whose names fit a pattern, and the baseline.

        Args:
            pattern (str): A name, with ``*`` for any letters.

        Returns:
            Grid: The smaller grid.

        Raises:
            ValueError: If none fits.
        """
        cells = [c for c in self.cells if fnmatchcase(c.name, pattern)]
        if not cells:
            names = list(dict.fromkeys(cell.name for cell in self.cells))
            raise ValueError(
                f'`rows` should be settings of the grid, but got {pattern!r}, '
                f'and there are {names}. Name one, or several by *.'
            )
        kept = {cell.name for cell in cells} | {self.baseline}
        return replace(self, cells=[c for c in self.cells if c.name in kept])


def read_grid(
    paths: Sequence[str], seeds: Optional[Sequence[int]] = None
) -> Grid:
    """Read a grid file, or make a grid of configs.

    A grid file has the keys of this example; all but ``rows`` may be left
    out, and so may ``name`` and ``overrides`` in a row. A list as the value
    of an override is a choice: each combination is a setting. ``name`` may
    hold the last words of the overrides' keys in braces. Configs are
    searched from the folder of the grid file.

    .. code-block:: yaml

        metric: accuracy/top1
        as_error: true
        costs: true
        seeds: [0, 1]
        baseline: resnet32_k16_e_cifar10
        rows:
        - config: resnet32_k16_r1e_cifar10.py
          name: resnet32_k{num_local_modules}_{mode}_cifar10
          overrides:
            model.backbone.context_supply.mode: [e, r1e]
            model.backbone.local_modules.num_local_modules: [4, 16]

    Args:
        paths (Sequence[str]): One grid file (``.yml``), or configs.
        seeds (Sequence[int], optional): The seeds of each setting. Defaults
            to None, which means those of the grid file, else 0, 1 and 2.

    Returns:
        Grid: The grid, which has a cell for each setting and seed.

    Raises:
        ValueError: If there are several grid files, one has unknown keys,
            two settings have one name, or no setting is the baseline.
    """
    content: dict[str, Any] = {'rows': [{'config': path} for path in paths]}
    folder = None
    name = 'accuracy'
    if any(Path(path).suffix in ('.yml', '.yaml') for path in paths):
        if len(paths) > 1:
            raise ValueError(
                '`grid` should be one grid file, or configs, but got '
                f'{list(paths)}. Run one grid file after the other.'
            )
        folder, name = Path(paths[0]).parent, Path(paths[0]).stem
        content = load(paths[0])
        _check_keys('grid', content, _KEYS, 'rows')
    settings = [
        setting
        for row in content['rows']
        for setting in _expand_row(row, folder)
    ]
    _check_names([name for name, _, _ in settings], content.get('baseline'))
    if seeds is None:
        seeds = content.get('seeds') or (0, 1, 2)
    return Grid(
        name,
        [Cell(*setting, seed) for seed in seeds for setting in settings],
        content.get('metric', 'mIoU'),
        content.get('as_error', False),
        content.get('costs', False),
        content.get('baseline'),
    )


def _expand_row(
    row: dict, folder: Optional[Path]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    _check_keys('rows', row, _ROW_KEYS, 'config')
    config = row['config']
    if folder is not None and '::' not in config:
        config = str(folder / config)
    overrides = row.get('overrides', {})
    choices = [v if isinstance(v, list) else [v] for v in overrides.values()]
    for values in itertools.product(*choices):
        chosen = dict(zip(overrides, values))
        yield _name(row, config, chosen), config, chosen


def _name(row: dict, config: str, overrides: dict[str, Any]) -> str:
    words = {key.rsplit('.', 1)[-1]: v for key, v in overrides.items()}
    if 'name' in row:
        try:
            return row['name'].format(**words)
        except (KeyError, IndexError) as error:
            raise ValueError(
                f'`name` should have words of {list(words)} in braces, but '
                f'got {row["name"]!r}. Write the last words of the '
                "overrides' keys."
            ) from error
    # folder and file tell the project's configs apart
    parts = Path(config.replace('::', '/')).with_suffix('').parts[-2:]
    return '_'.join([*parts, *(f'{k}-{v}' for k, v in words.items())])


def _check_keys(
    argument: str, content: Any, known: set[str], needed: str
) -> None:
    keys = set(content) if isinstance(content, dict) else {content}
    if not keys <= known or needed not in keys:
        raise ValueError(
            f'`{argument}` should have {needed!r} and no keys but '
            f'{sorted(known)}, but got {sorted(map(str, keys))}. Mend the '
            'grid file.'
        )


def _check_names(names: list[str], baseline: Optional[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            '`rows` should be settings of different names, but got '
            f'{twice} twice. Give the rows a `name`.'
        )
    if baseline not in (None, *names):
        raise ValueError(
            f'`baseline` should be the name of a setting, but got '
            f'{baseline!r}, and there are {names}. Name one of them.'
        )
