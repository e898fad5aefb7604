"""The tables of docs/measurements.md are what the logs say."""

import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import pytest

DOCS = Path(__file__).parents[1] / 'docs'


def read_log(study):
    """The values of each config: metric -> iteration -> seed -> value."""
    configs = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    with gzip.open(DOCS / 'logs' / f'{study}.csv.gz', 'rt') as file:
        for row in csv.DictReader(file):
            metric = configs[row['config']][row['metric']]
            metric[int(row['iteration'])][row['seed']] = float(row['value'])
    return configs


def read_table(title):
    """The rows of a table: config, named as in the logs -> its cells."""
    lines = (DOCS / 'measurements.md').read_text().splitlines()
    start = next(
        i for i, line in enumerate(lines) if line.startswith(f'| {title} |')
    )
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith('|'):
            break
        name, *cells = (cell.strip() for cell in line.strip('|').split('|'))
        name = name.strip('`').removesuffix('.py').replace('/', '_')
        rows[name] = cells
    return rows


def average(values, iteration):
    return mean(values[iteration].values())


def near(number, cell, digits):
    """Whether a number rounds to what a cell says, on either side of a 5."""
    unit = 10.0**-digits
    return number == pytest.approx(float(cell), abs=unit / 2 + 1e-4)


def test_camvid():
    log, rows = read_log('camvid'), read_table('CamVid')
    assert rows.keys() == log.keys()
    for name, (*seeds, middle, spread, accuracy, memory) in rows.items():
        found = log[name]['mIoU'][300]
        assert [found.get(seed) for seed in '012'] == [
            None if cell == '-' else float(cell) for cell in seeds
        ]
        assert near(mean(found.values()), middle, 2)
        assert near(stdev(found.values()), spread, 2)
        assert near(average(log[name]['aAcc'], 300), accuracy, 2)
        assert near(average(log[name]['peak_memory'], 300), memory, 0)


@pytest.mark.parametrize(
    ('study', 'title'),
    [('cifar10_cpu', 'CIFAR-10'), ('contsup_cifar10_cpu', 'ContSup')],
)
def test_cifar10(study, title):
    log, rows = read_log(study), read_table(title)
    assert rows.keys() == log.keys()
    for name, cells in rows.items():
        accuracy = log[name]['accuracy/top1']
        for iteration, cell in zip(range(200, 1001, 200), cells):
            assert near(100 - average(accuracy, iteration), cell, 1)
        for seed, cell in zip('01', cells[5:7]):
            assert near(100 - accuracy[1000][seed], cell, 2)
        if title == 'ContSup':
            assert near(average(log[name]['peak_memory'], 1000), cells[7], 0)


def test_coco_mini():
    log, rows = read_log('coco-mini'), read_table('COCO Mini')
    assert rows.keys() == {name for name in log if 'retinanet' in name}
    for name, cells in rows.items():
        found = log[name]['coco/bbox_mAP']
        for iteration, cell in zip((200, 400, 600), cells):
            assert near(100 * average(found, iteration), cell, 1)
        for seed, cell in zip('01', cells[3:5]):
            if cell == '-':
                assert seed not in found[600]
                continue
            half = log[name]['coco/bbox_mAP_50'][600][seed]
            expected = f'{100 * found[600][seed]:.1f} ({100 * half:.1f})'
            assert cell == expected
        assert near(average(log[name]['peak_memory'], 600), cells[5], 0)


COSTS = {'resnet32': 'ResNet-32, batch 128'}


@pytest.mark.parametrize('network', COSTS)
def test_cost_of_each_method(network):
    path = DOCS / 'logs' / f'cost_{network}.json.gz'
    methods = json.loads(gzip.decompress(path.read_bytes()))['methods']
    rows, e2e = read_table(COSTS[network]), methods['e2e']
    # in the order of the command
    for found, cells in zip(methods.values(), rows.values(), strict=True):
        extra = found['parameters'] - e2e['parameters']
        low, middle, high = found['time_ratio']
        peak, end = found['peak_memory'], e2e['peak_memory']
        share = f' ({extra / e2e["parameters"]:.0%})' if extra else ''
        time = f'{middle:.2f} ({low:.2f} to {high:.2f})'
        assert cells == [
            f'{extra:,}{share}',
            f'{found["step_macs"] / e2e["step_macs"]:.2f}',
            '1' if found is e2e else time,
            f'{peak / 2**20:.0f} ({peak / end:.0%})',
        ]


def test_memory_against_depth():
    log = json.loads((DOCS / 'logs/depth.json').read_text())
    rows = read_table(f'depth, batch {log["batch"]}')
    expected = {}
    for depth, found in log['networks'].items():
        peaks = [
            f'{cost["peak_memory"] / 2**20:,.0f}' for cost in found.values()
        ]
        for i, cost in enumerate(found.values()):
            if 'num_local_modules' in cost:
                peaks[i] += (
                    f' (K={cost["num_local_modules"]}, '
                    f'{cost["extra_macs"]:+.0%})'
                )
        expected[f'ResNet-{depth}'] = peaks
    assert rows == expected


def test_losses_that_the_text_names():
    log = read_log('cifar10_cpu')
    softmax = log['infopro_resnet32_k16_softmax_cifar10']
    recon = softmax['local_0.loss_recon']
    assert [round(recon[i]['0'], 2) for i in (20, 1000)] == [2.69, 2.41]
    label = softmax['local_0.loss_task'][1000]['0'] / 0.05
    assert round(label, 2) == 2.08
    for method, expected in (('dgl', 1.54), ('greedy', 1.94)):
        losses = log[f'{method}_resnet32_k16_cifar10']['local_0.loss_task']
        assert round(losses[1000]['0'], 2) == expected
