"""The page about all configs of the hosts, made from records."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from list_configs import HOSTS, find_family

# in the order of the tables; the first four have a plan or train nothing
VERDICTS = {
    'works': 'a plan saves memory; the config is written and reads back',
    'saves nothing': 'no plan needs less than 98 % of end to end, as where '
    'neck and heads set the peak',
    'no cut': 'the backbone has no place to cut',
    'refused': 'a check of this package refuses it',
    'host fails': 'the host itself cannot build it here, as where a package '
    'or a download is missing, or says that it does not train it',
    'fails': 'an error that no check foresaw',
    'unreadable': 'mmengine cannot read it, as where a package is missing',
    'trains nothing': 'no model, data or optimizer to train',
}
_HEAD = """\
# Configs of the hosts

What becomes of the configs that mmseg, mmdet and mmpretrain bring, untuned:
each is read, checked, planned for the lowest memory by cuts alone, and
localized by InfoPro, on fake tensors. Configs that train the same network on
batches of the same shape share one measurement. This page is written from the
records in [docs/logs/hosts.jsonl.gz](logs/hosts.jsonl.gz):

```bash
python benchmarks/host_configs/sweep.py mmseg mmdet mmpretrain \\
    --page docs/hosts.md
```
"""


def make_page(records: Sequence[dict[str, Any]]) -> str:
    """Make the page.

    Args:
        records (Sequence[dict]): The records of all configs.

    Returns:
        str: The page, in Markdown.
    """
    parts = [
        _HEAD,
        _make_numbers(records),
        _make_times(records),
        _make_reasons(records),
    ]
    for host in HOSTS:
        own = [r for r in records if r['configs'][0].startswith(f'{host}::')]
        if own:
            parts.append(_make_families(host, own))
    return '\n'.join(parts)


def _split(records: Sequence[dict[str, Any]]) -> list[tuple[str, dict]]:
    """List configs, each with the record that it shares."""
    return [(name, r) for r in records for name in r['configs']]


def _make_numbers(records: Sequence[dict[str, Any]]) -> str:
    configs = _split(records)
    counts = Counter(
        (name.split('::')[0], record['verdict']) for name, record in configs
    )
    lines = ['## Numbers of configs\n', _row('verdict', *HOSTS, 'all', '')]
    lines.append(_row(*['---'] * (len(HOSTS) + 3)))
    for verdict, meaning in VERDICTS.items():
        numbers = [counts[host, verdict] for host in HOSTS]
        if any(numbers):
            lines.append(_row(verdict, *numbers, sum(numbers), meaning))
    totals = [sum(v for k, v in counts.items() if k[0] == h) for h in HOSTS]
    lines.append(_row('all', *totals, sum(totals), ''))
    return '\n'.join([*lines, ''])


def _make_times(records: Sequence[dict[str, Any]]) -> str:
    times = [
        r['seconds']
        for r in records
        if r['verdict'] == 'works' and 'seconds' in r
    ]
    if not times:
        return ''
    slowest = sorted(
        (r for r in records if r.get('seconds')),
        key=lambda record: -record['seconds'],
    )[:5]
    names = ', '.join(
        f'`{r["configs"][0]}` {r["seconds"]:.0f} s' for r in slowest
    )
    return (
        '## Time\n\nSeconds of one core for a config, from reading it to the '
        'written one, with the hosts imported already: median '
        f'{statistics.median(times):.0f}, at most '
        f'{slowest[0]["seconds"]:.0f}. The slowest: {names}.\n'
    )


def _make_reasons(records: Sequence[dict[str, Any]]) -> str:
    """List the messages, each with the number of configs and an example."""
    lines = ['## Reasons\n']
    for verdict in ('no cut', 'refused', 'host fails', 'fails', 'unreadable'):
        found: dict[str, list[str]] = {}
        for record in records:
            if record['verdict'] == verdict:
                reason = _shorten(record.get('message', ''))
                found.setdefault(reason, []).extend(record['configs'])
        if not found:
            continue
        lines += [f'### {verdict}\n', _row('configs', 'for instance', 'why')]
        lines.append(_row('---', '---', '---'))
        for reason, names in sorted(found.items(), key=lambda x: -len(x[1])):
            name = f'`{min(names, key=len)}`'
            lines.append(_row(len(names), name, reason.replace('|', '\\|')))
        lines.append('')
    return '\n'.join(lines) if len(lines) > 1 else ''


def _make_families(host: str, records: Sequence[dict[str, Any]]) -> str:
    families: dict[str, list[tuple[str, dict]]] = {}
    for name, record in _split(records):
        families.setdefault(find_family(name), []).append((name, record))
    kinds = [v for v in VERDICTS if any(r['verdict'] == v for r in records)]
    lines = [
        f'## {host}\n',
        _row('family', *kinds, 'peak / end to end, lowest to highest', 'K'),
        _row(*['---'] * (len(kinds) + 3)),
    ]
    for family, configs in sorted(families.items()):
        counts = Counter(record['verdict'] for _, record in configs)
        plans = [r for _, r in configs if r['verdict'] == 'works']
        ratios = [r['peak_memory'] / r['end_to_end'] for r in plans]
        ks = [r['num_local_modules'] for r in plans]
        lines.append(
            _row(
                family.split('::')[1],
                *(counts[kind] or '' for kind in kinds),
                _span([f'{100 * r:.0f} %' for r in sorted(ratios)]),
                _span([str(k) for k in sorted(ks)]),
            )
        )
    return '\n'.join([*lines, ''])


def _span(values: Sequence[str]) -> str:
    if not values:
        return ''
    first, last = values[0], values[-1]
    return first if first == last else f'{first} to {last}'


def _shorten(message: str) -> str:
    """Take the first sentences of a message, without names of files."""
    line = ' '.join(message.split())
    return line if len(line) <= 200 else f'{line[:197]}...'


def _row(*cells: object) -> str:
    return f'| {" | ".join(map(str, cells))} |'
