"""Memory against time, with the Pareto front."""

import itertools
from collections.abc import Collection
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt

_GREY = '#7b868c'
_COLORS = ('#2a7f9e', '#7d4f9e', '#3f8f5f', '#b0483a')


def find_pareto_front(
    points: dict[str, tuple[float, float]],
) -> list[str]:
    """Names of the points that no other one beats in both values.

    Args:
        points (dict[str, tuple[float, float]]): By name; less is better.

    Returns:
        list[str]: By their first value.

    Example:
        >>> find_pareto_front(dict(a=(1, 3), b=(2, 1), c=(2, 2), d=(3, 1)))
        ['a', 'b']
    """
    front = []
    for name in sorted(points, key=points.get):
        if not front or points[name][1] < points[front[-1]][1]:
            front.append(name)
    return front


def plot_front(
    points: dict[str, tuple[float, float]],
    xlabel: str,
    title: str,
    path: Path,
    references: Collection[str] = ('e2e', 'with_cp'),
) -> None:
    """Draw each method as a point, and the front of those to choose from.

    Args:
        points (dict[str, tuple[float, float]]): Time, or what stands for it,
            and GiB of each method.
        xlabel (str): What the first value is.
        title (str): Of the picture.
        path (Path): The picture.
        references (Collection[str]): Methods drawn in grey. Defaults to
            ('e2e', 'with_cp').
    """
    front = find_pareto_front(points)
    figure, axes = plt.subplots(figsize=(8.5, 4.5), layout='constrained')
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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
