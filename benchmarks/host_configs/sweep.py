"""Check, plan and localize the configs that hosts bring, without training.

Configs that train the same network on batches of the same shape share a
measurement, which runs in a process of its own, forked from one that has
imported the hosts. Each is a line of the file of records and is not repeated:
the same command goes on where it stopped.

    python benchmarks/host_configs/sweep.py mmseg mmdet mmpretrain \
        --out docs/logs/hosts.jsonl.gz --page docs/hosts.md
    python benchmarks/host_configs/sweep.py --page docs/hosts.md

The second one writes the page from the records that are there. With
--again 'refused' 'fails' these are measured once more.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from list_configs import Group, group_configs, list_names
from measure_apart import measure_apart
from records import append_record, read_records, write_records
from write_page import make_page

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Measure what is not measured yet; write the page."""
    args = _read_arguments()
    out = Path(args.out)
    records = read_records(out)
    if args.configs:
        groups = group_configs(list_names(args.configs))
        todo = [g for g in groups if not _is_done(g, records, args.again)]
        print(f'{len(groups)} networks, {len(todo)} to measure', flush=True)
        _measure_all(todo, args, out)
        records = _drop_old(read_records(out), groups)
        write_records(out, records.values())
    if args.page is not None:
        Path(args.page).write_text(make_page(list(records.values())))


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'configs',
        nargs='*',
        metavar='CONFIG',
        help='hosts, whose configs are all taken, or configs',
    )
    parser.add_argument(
        '--out',
        metavar='FILE',
        default=str(ROOT / 'docs/logs/hosts.jsonl.gz'),
        help='file of the records (%(default)s)',
    )
    parser.add_argument('--page', metavar='FILE', help='page to write')
    parser.add_argument(
        '--processes',
        type=int,
        default=1,
        metavar='N',
        help='measurements at a time (%(default)s)',
    )
    parser.add_argument(
        '--timeout',
        type=int,
        default=600,
        metavar='N',
        help='seconds of the CPU for each (%(default)s)',
    )
    parser.add_argument(
        '--again',
        nargs='+',
        default=[],
        metavar='VERDICT',
        help='measure those with these verdicts once more',
    )
    return parser.parse_args()


def _is_done(
    group: Group, records: dict[str, dict[str, Any]], again: list[str]
) -> bool:
    record = records.get(group.key)
    return (
        record is not None
        and record['configs'] == group.configs
        and record['verdict'] not in again
    )


def _drop_old(
    records: dict[str, dict[str, Any]], groups: list[Group]
) -> dict[str, dict[str, Any]]:
    """Drop records of configs that are grouped otherwise now."""
    keys = {group.key for group in groups}
    names = {name for group in groups for name in group.configs}
    return {
        key: record
        for key, record in records.items()
        if key in keys or names.isdisjoint(record['configs'])
    }


def _measure_all(
    groups: list[Group], args: argparse.Namespace, out: Path
) -> None:
    begin = time.monotonic()

    def measure(group: Group) -> tuple[Group, dict[str, Any]]:
        return group, _measure(group, args)

    with ThreadPoolExecutor(args.processes) as pool:
        for i, (group, found) in enumerate(pool.map(measure, groups), 1):
            record = dict(key=group.key, configs=group.configs, **found)
            append_record(out, record)
            passed = time.monotonic() - begin
            left = timedelta(seconds=round(passed / i * (len(groups) - i)))
            print(
                f'[{i}/{len(groups)}] {group.name}: {record["verdict"]} '
                f'({record.get("seconds", 0):.0f} s), {left} left',
                flush=True,
            )


def _measure(group: Group, args: argparse.Namespace) -> dict[str, Any]:
    if group.verdict:
        verdict, _, message = group.verdict.partition(': ')
        return dict(verdict=verdict, message=message)
    return measure_apart(group.name, args.timeout)


if __name__ == '__main__':
    main()
