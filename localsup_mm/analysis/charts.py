"""Charts of memory, of time and of accuracy; they need matplotlib."""

import itertools
import statistics
import textwrap
from collections.abc import Collection
from pathlib import Path
from typing import Any, Optional

__all__ = [
    'draw_bars',
    'draw_curves',
    'draw_front',
    'draw_probes',
    'find_pareto_front',
]

_GREY = '#7b868c'
_PALE_GREY = '#9aa5ab'
_COLORS = ('#2a7f9e', '#7d4f9e', '#3f8f5f', '#b0483a')


def draw_bars(
    peaks: dict[str, int],
    labels: dict[str, str],
    title: str,
    path: Path,
    references: Collection[str] = ('e2e', 'with_cp'),
) -> None:
    """Draw a bar for the peak memory of each method.

    Args:
        peaks (dict[str, int]): Bytes, by the name of the method; the first
            one is the baseline of the percentages.
        labels (dict[str, str]): The text below each bar, by name.
        title (str): Two lines at most.
        path (Path): The file of the picture.
        references (Collection[str]): Methods drawn in grey. Defaults to
            ('e2e', 'with_cp').

    Raises:
        ImportError: If matplotlib is missing.
    """
    figure, axes = _make_figure(1.4 + 1.4 * len(peaks), 4.2)
    gib = [peak / 2**30 for peak in peaks.values()]
    bars = axes.bar(
        range(len(gib)),
        gib,
        color=[_PALE_GREY if n in references else _COLORS[0] for n in peaks],
        width=0.62,
        tick_label=[textwrap.fill(labels[name], 14) for name in peaks],
    )
    values = [
        f'{value:.2f}' if i == 0 else f'{value:.2f}\n({value / gib[0]:.0%})'
        for i, value in enumerate(gib)
    ]
    axes.bar_label(bars, values, padding=3)
    axes.set_ylim(0, 1.15 * max(gib))
    axes.set_ylabel('peak training memory (GiB)')
    axes.set_title(title, fontsize=11)
    axes.spines[['top', 'right']].set_visible(False)
    _save(figure, path, 150)


def find_pareto_front(points: dict[str, tuple[float, float]]) -> list[str]:
    """Find the points that no other one beats in both values.

    Args:
        points (dict[str, tuple[float, float]]): Two values of each name; less
            is better.

    Returns:
        list[str]: Their names, by their first value.

    Example:
        >>> find_pareto_front(dict(a=(1, 3), b=(2, 1), c=(2, 2), d=(3, 1)))
        ['a', 'b']
    """
    front: list[str] = []
    for name in sorted(points, key=points.__getitem__):
        if not front or points[name][1] < points[front[-1]][1]:
            front.append(name)
    return front


def draw_front(
    points: dict[str, tuple[float, float]],
    xlabel: str,
    title: str,
    path: Path,
    references: Collection[str] = ('e2e', 'with_cp'),
) -> None:
    """Draw each method as a point, and the front of those to choose from.

    Args:
        points (dict[str, tuple[float, float]]): Time, or MACs in its place,
            and GiB of each method.
        xlabel (str): The name of the first value.
        title (str): The title of the picture.
        path (Path): The file of the picture.
        references (Collection[str]): Methods drawn in grey. Defaults to
            ('e2e', 'with_cp').

    Raises:
        ImportError: If matplotlib is missing.
    """
    front = find_pareto_front(points)
    figure, axes = _make_figure(8.5, 4.5)
    axes.plot(
        *zip(*(points[name] for name in front)),
        drawstyle='steps-post',
        color='#d08a3c',
        linewidth=1.5,
        zorder=1,
        label='Pareto front (filled)',
    )
    markers, colors = itertools.cycle('osD^vP'), itertools.cycle(_COLORS)
    # as they lie in the picture, the highest first
    for name in sorted(points, key=lambda n: -points[n][1]):
        x, y = points[name]
        color = _GREY if name in references else next(colors)
        axes.scatter(
            x,
            y,
            s=55,
            zorder=2,
            marker=next(markers),
            color=color if name in front else 'white',
            edgecolors=color,
            linewidths=1.5,
            label=f'{name}: {y:.3g} GiB at {x:.3g}',
        )
    axes.margins(x=0.1)
    axes.set_ylim(0, 1.15 * max(y for _, y in points.values()))
    axes.set_xlabel(xlabel)
    axes.set_ylabel('peak training memory (GiB)')
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, loc='center left', bbox_to_anchor=(1.0, 0.5))
    _save(figure, path, 150)


def draw_curves(
    curves: dict[str, list[dict[int, float]]],
    ylabel: str,
    path: Path,
    xlabel: str = 'iterations',
) -> None:
    """Draw a metric over the trainings: the mean, and each run's points.

    Args:
        curves (dict[str, list[dict[int, float]]]): The runs of each setting;
            a run maps the iteration of an evaluation to the metric.
        ylabel (str): The name of the metric.
        path (Path): The file of the picture.
        xlabel (str): The name of the keys of a run. Defaults to
            'iterations'.

    Raises:
        ImportError: If matplotlib is missing.
    """
    figure, axes = _make_figure(8, 5)
    for name, runs in curves.items():
        steps = sorted(set.intersection(*map(set, runs)))
        means = [statistics.mean(run[step] for run in runs) for step in steps]
        label = f'{name}: {means[-1]:.1f}' if means else name
        (line,) = axes.plot(steps, means, label=label)
        for run in runs:
            axes.plot(
                list(run), list(run.values()), '.', color=line.get_color()
            )
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(fontsize='small')
    axes.grid(alpha=0.3)
    _save(figure, path, 120)


def draw_probes(networks: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw what features along the depth of networks hold of the image.

    Where probes told labels, a second picture beside it shows how well.

    Args:
        networks (dict[str, dict]): By name a record of ``localsup probe``.
        path (Path): The file of the picture.

    Raises:
        ImportError: If matplotlib is missing.
    """
    labels = {
        'image': 'image: explained variance (%)',
        'accuracy': 'labels: accuracy of the probe (%)',
    }
    rows = [row for record in networks.values() for row in record['probes']]
    kinds = [k for k in labels if all(row[k] is not None for row in rows)]
    figure, axes = _make_figure(5.5 * len(kinds) + 1, 4.5, len(kinds))
    for kind, axis in zip(kinds, axes):
        for name, record in networks.items():
            values = [row[kind] for row in record['probes']]
            if kind == 'image':
                values = [100 * value for value in values]
            names = [row['boundary'] for row in record['probes']]
            axis.plot(names, values, 'o-', markersize=4, label=name)
        axis.set_ylabel(labels[kind])
        axis.tick_params(axis='x', rotation=60)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize='small')
    _save(figure, path, 120)


def _make_figure(
    width: float, height: float, columns: Optional[int] = None
) -> tuple[Any, Any]:
    # without pyplot, which keeps figures and has a backend for all
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'Charts are drawn with matplotlib, which cannot be imported. Run '
            '`pip install localsup_mm[charts]`, or leave the chart out.'
        ) from error
    figure = Figure(figsize=(width, height), layout='constrained')
    if columns is None:
        return figure, figure.subplots()
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(figure: Any, path: Path, dpi: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
