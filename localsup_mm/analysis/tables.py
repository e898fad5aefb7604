"""Tables in Markdown and as CSV."""

import csv
from collections.abc import Sequence
from pathlib import Path

from .paired_time import ratio_quartiles

__all__ = ['add_time_ratios', 'format_methods', 'format_table', 'write_csv']

_METHOD_COLUMNS = (
    'method',
    'peak memory (GiB)',
    'of e2e',
    'time / e2e (quartiles)',
    'extra forward MACs',
    'extra MACs a step',
    'extra parameters',
)


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown.

    Args:
        header (Sequence[str]): The columns.
        rows (Sequence[Sequence[str]]): The cells of each row.

    Returns:
        str: A line for each row.

    Example:
        >>> print(format_table(['K', 'MiB'], [['4', '204']]), end='')
        | K | MiB |
        | --- | --- |
        | 4 | 204 |
    """
    lines = (header, ['---'] * len(header), *rows)
    return ''.join('| ' + ' | '.join(line) + ' |\n' for line in lines)


def write_csv(
    header: Sequence[str], rows: Sequence[Sequence[str]], path: Path
) -> None:
    """Write a table as CSV.

    Args:
        header (Sequence[str]): The columns.
        rows (Sequence[Sequence[str]]): The cells of each row.
        path (Path): The file.
    """
    with path.open('w', newline='') as file:
        csv.writer(file).writerows([header, *rows])


def add_time_ratios(results: dict[str, dict]) -> None:
    """Add ``time_ratio``, the quartiles of time over that of end-to-end.

    Args:
        results (dict[str, dict]): See :func:`measure_all`; changed in place
            where there are ``seconds``.
    """
    for result in results.values():
        if 'seconds' in result:
            result['time_ratio'] = ratio_quartiles(
                result['seconds'], results['e2e']['seconds']
            )


def format_methods(results: dict[str, dict], notes: dict[str, str]) -> str:
    """Write a table in Markdown, with a row for each method.

    Args:
        results (dict[str, dict]): See :func:`measure_all`, of each method
            that could be measured.
        notes (dict[str, str]): Why others could not.

    Returns:
        str: The table.
    """
    e2e = results['e2e']
    rows = []
    for name, result in results.items():
        ratio = '-'
        if 'time_ratio' in result:
            low, median, high = result['time_ratio']
            ratio = f'{median:.3f} ({low:.3f} to {high:.3f})'
        rows.append(
            [
                name,
                f'{result["peak_memory"] / 2**30:.3f}',
                f'{result["peak_memory"] / e2e["peak_memory"]:.1%}',
                ratio,
                *(
                    f'{result[key] / e2e[key] - 1:+.1%}'
                    for key in ('forward_macs', 'step_macs', 'parameters')
                ),
            ]
        )
    rows += [[name, *'-----', note] for name, note in notes.items()]
    return format_table(_METHOD_COLUMNS, rows)
