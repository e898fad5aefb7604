"""The script for a GPU, at the smallest size on whatever there is."""

import json

import pytest
from processes import run_script

SCRIPT = 'benchmarks/gpu.py'


@pytest.mark.slow
def test_fp32_and_amp_predicted_and_measured(tmp_path):
    path = tmp_path / 'gpu.json'
    output = run_script(
        SCRIPT,
        *('--networks', 'resnet32', '--size', '16x16'),
        *('--batch', '8', '--rounds', '2', '--json', path),
    )
    assert '| recompute | ' in output
    results = json.loads(path.read_text())['results']
    assert [*results] == ['resnet32, fp32', 'resnet32, AMP']
    for found in results.values():
        assert [*found] == ['e2e', 'with_cp', 'infopro', 'recompute']
        for cost in found.values():
            ratio = cost['predicted'] / cost['peak_memory']
            assert 0.95 < ratio < 1.05


@pytest.mark.slow  # in a process of its own
def test_no_time_is_left():
    output = run_script(SCRIPT, '--networks', 'resnet32', '--minutes', '-1')
    assert 'left out after -1.0 min: resnet32, fp32; resnet32, AMP' in output


def test_bad_rounds():
    output = run_script(SCRIPT, '--rounds', '1', expect=2)
    assert '`--rounds` should be at least 2, but got 1' in output
