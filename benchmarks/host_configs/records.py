"""Records of measured configs, one line of JSON each."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read_records(path: Path) -> dict[str, dict[str, Any]]:
    """Read records.

    Args:
        path (Path): A file of lines of JSON, compressed where its name ends
            with ``.gz``. It need not exist.

    Returns:
        dict[str, dict]: The last record of each key.
    """
    if not path.exists():
        return {}
    records = {}
    with _open(path, 'rt') as file:
        for line in file:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue  # killed while it wrote
            records[record['key']] = record
    return records


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Append a record to a file, as one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(path, 'at') as file:
        file.write(f'{json.dumps(record)}\n')


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write records anew, in the order of their first config."""
    ordered = sorted(records, key=lambda record: record['configs'])
    temporary = path.with_name(f'new_{path.name}')
    with _open(temporary, 'wt') as file:
        for record in ordered:
            file.write(f'{json.dumps(record)}\n')
    temporary.replace(path)


def _open(path: Path, mode: str) -> Any:
    opener: Any = gzip.open if path.suffix == '.gz' else open
    return opener(path, mode, encoding='utf-8')
