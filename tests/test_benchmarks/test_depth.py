"""Memory against depth, on the shallowest network."""

import json
import sys

import pytest
from processes import ROOT, run_script

sys.path.insert(0, str(ROOT / 'benchmarks'))


@pytest.mark.slow  # processes of their own
def test_the_log_goes_on_where_it_ended(tmp_path):
    path, chart = tmp_path / 'depth.json', tmp_path / 'depth.png'
    words = ('--depths', '20', '--batch', '4', '--json', path)
    output = run_script('benchmarks/depth.py', *words)
    assert 'ResNet-20: ' in output
    found = json.loads(path.read_text())['networks']['20']
    peaks = [cost['peak_memory'] for cost in found.values()]
    assert peaks[0] == max(peaks) > min(peaks) == peaks[3]
    again = run_script('benchmarks/depth.py', *words, '--chart', chart)
    assert again == output.split(' s\n')[-1]
    assert chart.stat().st_size > 0
    wrong = run_script(
        'benchmarks/depth.py', *words[:3], '8', '--json', path, expect=1
    )
    assert '`--batch` should be that of the log, 4, but got 8' in wrong


def test_local_modules_have_as_many_blocks_each():
    from depth import BLOCKS, find_boundaries

    assert BLOCKS == 9
    assert find_boundaries(110) == [
        *('layer1.8', 'layer1.17', 'layer2.8', 'layer2.17', 'layer3.8')
    ]
    assert find_boundaries(20) == []
