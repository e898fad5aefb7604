"""The demo runs from data to pictures, and again without training."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip('mmseg')
pytest.importorskip('cityscapesscripts')
pytest.importorskip('matplotlib')

DEMO = Path(__file__).parents[2] / 'demo' / 'demo.py'
PICTURES = ('predictions.png', 'reconstructions.png', 'memory.png')


def run_demo(folder, *words):
    command = [sys.executable, str(DEMO), '--size', '128x256', *words]
    paths = ['--work-dir', 'results', '--data-root', 'data']
    return subprocess.run(
        [*command, *paths],
        cwd=folder,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_runs_and_runs_again(tmp_path):
    # peak memory, measured in iteration 2, is in the log from 4 on
    result = run_demo(tmp_path, '--iters', '4')
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    table = result.stdout.split('DeepLabV3-R18 of this demo')[1]
    rows = table.splitlines()[1:3]
    assert [row.split()[0] for row in rows] == ['end-to-end', 'InfoPro']
    assert all(row.endswith(' MiB') and 'nan' not in row for row in rows)
    assert '8.52 GiB' in table
    assert '4.98 GiB' in table
    for name in PICTURES:
        with Image.open(tmp_path / 'results' / name) as image:
            assert image.format == 'PNG'

    result = run_demo(tmp_path, '--iters', '4')
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    assert result.stdout.count('--fresh repeats it') == 2
    assert 'Iter(train)' not in result.stdout
    assert (
        result.stdout.split('DeepLabV3-R18 of this demo')[1].splitlines()[1:3]
        == rows
    )


def test_ends_with_command_and_log_of_what_failed(tmp_path):
    result = run_demo(tmp_path, '--size', '128')
    assert result.returncode == 1
    assert 'mini_cityscapes.py' in result.stderr
    assert "got '128'" in result.stderr
    assert 'Train end-to-end' not in result.stdout
