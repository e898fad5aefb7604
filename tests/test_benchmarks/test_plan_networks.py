"""The table of plans in docs/measurements.md."""

import gzip
import json
import sys

import pytest
from processes import ROOT

sys.path.insert(0, str(ROOT / 'benchmarks'))

from plan_networks import NETWORKS, format_row, plan_network

LOG = gzip.decompress((ROOT / 'docs/logs/plans.jsonl.gz').read_bytes())
RECORDS = [json.loads(line) for line in LOG.splitlines()]


def test_table_is_what_the_log_says():
    lines = (ROOT / 'docs/measurements.md').read_text().splitlines()
    for record in RECORDS:
        assert format_row(record) in lines


def test_predictions_are_near():
    """Within 2 % on networks that nobody tuned for."""
    assert RECORDS
    for record in RECORDS:
        assert max(map(abs, record['errors'])) < 0.02, record['name']


@pytest.mark.slow
def test_a_network_is_planned(monkeypatch):
    config = f'{ROOT}/configs/e2e/deeplabv3_r18_camvid.py'
    monkeypatch.setitem(NETWORKS, 'small', (config, 2, (0.8, 0.01)))
    record = plan_network('small', 'any', 1)
    assert json.loads(json.dumps(record))['name'] == 'small'
    found, refused = record['within']
    assert found['peak'] <= 0.8 * record['end_to_end']
    assert 'at least' in refused['refused']
    assert record['lowest']['peak'] < record['with_cp']['peak']
    assert abs(record['errors'][0]) < 0.02
    assert format_row(record).startswith('| small, 2 x ')
