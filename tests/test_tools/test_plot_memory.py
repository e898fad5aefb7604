"""The memory chart compares four ways to train, from the configs alone."""

import json
import sys

import pytest
from PIL import Image
from processes import ROOT

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import plot_memory as tool

E2E = str(ROOT / 'configs/e2e/deeplabv3_r18_mini-cityscapes.py')
LOCAL = str(ROOT / 'configs/infopro/deeplabv3_r18_k4_mini-cityscapes.py')


def test_writes_chart_and_bytes(tmp_path, capsys):
    chart, numbers = tmp_path / 'new' / 'm.png', tmp_path / 'm.json'
    words = ['--batch', '2', '--size', '256x512']
    paths = ['--out', str(chart), '--json', str(numbers)]
    tool.main([E2E, LOCAL, *words, *paths])
    with Image.open(chart) as image:
        assert image.format == 'PNG'
    peaks = json.loads(numbers.read_text())
    assert list(peaks) == [
        'end-to-end',
        'activation checkpointing',
        'InfoPro K=4',
        'InfoPro K=4 + checkpointing',
    ]
    e2e, checkpointing, local, both = peaks.values()
    assert max(checkpointing, local) < e2e
    assert both < local
    # parameters, gradients and momentum of ResNet-18 alone
    assert both > 11_000_000 * 4 * 3
    printed = capsys.readouterr().out
    assert f'{e2e / 2**30:.2f} GiB' in printed


def test_refuses_config_without_local_modules():
    with pytest.raises(ValueError, match=r'got .*e2e/deeplabv3_r18_mini'):
        tool.main([E2E, E2E])
