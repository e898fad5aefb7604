"""Grids are trained, resumed and tabulated."""

import argparse
import csv
import json

import numpy as np
import pytest
from PIL import Image
from processes import ROOT

from localsup_mm.analysis import GridRunner, SettingCost
from localsup_mm.analysis.inference_cost import InferenceCost
from localsup_mm.cli import accuracy as command

GRID = """
metric: accuracy/top1
as_error: true
costs: {costs}
seeds: [0]
rows:
- config: {root}/configs/contsup/resnet32_k16_r1e_cifar10.py
  name: resnet32_k{{num_local_modules}}_{{mode}}
  overrides:
    model.backbone.context_supply.mode: {modes}
    model.backbone.local_modules.num_local_modules: 16
"""
SCHEDULE = """
train_dataloader = dict(batch_size={batch})
train_cfg = dict(max_epochs=2)
"""
TINY = """
folder = dict(
    _delete_=True, type='CustomDataset', data_root='{data}', data_prefix='',
    classes=list('0123456789'))
train_dataloader = dict(
    batch_size=5, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='RandomCrop', crop_size=8),
        dict(type='PackInputs')]))
val_dataloader = dict(
    batch_size=5, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='PackInputs')]))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
param_scheduler = dict(end=1, warmup=1)
default_hooks = dict(logger=dict(interval=1))
"""


def run(*words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([*map(str, words)]))


def write_grid(tmp_path, *modes, name='table_1', costs='false'):
    path = tmp_path / f'{name}.yml'
    modes = list(modes)
    path.write_text(GRID.format(root=ROOT, modes=modes, costs=costs))
    return path


def read_table(path):
    with path.open() as file:
        return list(csv.reader(file))


@pytest.fixture
def trained(monkeypatch):
    """Cells that are trained at once, without a training."""
    trained = []

    def train(runner, cell, run):
        trained.append(cell.folder)
        (run / '0' / 'vis_data').mkdir(parents=True)
        records = [
            dict(step=0, lr=0.1, time=9),
            dict(step=1, lr=0.1, time=1),
            {'step': 1, 'accuracy/top1': 10.0, 'time': 50.0},
            dict(step=2, lr=0.1, time=2),
            {'step': 2, 'accuracy/top1': 60.0 + cell.seed, 'time': 50.0},
        ]
        log = run / '0' / 'vis_data' / 'scalars.json'
        log.write_text('\n'.join(map(json.dumps, records)))

    cost = SettingCost(InferenceCost(110, 3_000_000, 10.0, 50.0), 5 * 2**20)
    monkeypatch.setattr(GridRunner, '_run_process', train)
    monkeypatch.setattr(command, 'count_setting', lambda cfg: cost)
    return trained


def test_table(trained, tmp_path, capsys):
    grid = write_grid(tmp_path, 'r0', 'e', costs='true')
    run(grid, '--work-dir', tmp_path / 'runs', '--seeds', 0, 2)
    assert trained == [
        f'resnet32_k16_{mode}_seed{seed}'
        for seed in (0, 2)
        for mode in ('r0', 'e')
    ]
    output = capsys.readouterr().out
    assert '[2/4] resnet32_k16_e, seed 0: accuracy/top1 60.00' in output
    header, *rows = read_table(tmp_path / 'runs' / 'table_1.csv')
    assert header[:5] == ['config', 'seed 0', 'seed 2', 'mean', 'std']
    assert header[-2:] == ['peak memory (MiB)', 'time (s/iter)']
    assert [row[0] for row in rows] == ['resnet32_k16_r0', 'resnet32_k16_e']
    for row in rows:
        assert row[1:5] == ['40.00', '38.00', '39.00', '1.41']
        assert row[5:] == ['110', '10.0', '3.00', '50.0', '5', '2.000']
    table = (tmp_path / 'runs' / 'table_1.md').read_text()
    assert table in output
    assert table.startswith('100 - accuracy/top1:')
    assert table.count('| 39.00 | 1.41 |') == 2
    with Image.open(tmp_path / 'runs' / 'table_1.png') as image:
        assert image.format == 'PNG'


def test_record_of_a_training(trained, tmp_path):
    run(write_grid(tmp_path, 'e'), '--work-dir', tmp_path, '--seeds', 3)
    path = tmp_path / 'resnet32_k16_e_seed3' / 'cell.json'
    record = json.loads(path.read_text())
    assert record['curve'] == {'1': 10.0, '2': 63.0}
    assert (record['seed'], record['final']) == (3, 63.0)
    assert record['overrides']['model.backbone.context_supply.mode'] == 'e'
    assert record['schedule']['train_cfg']['max_epochs'] == 160
    assert {'torch', 'localsup_mm'} < record['versions'].keys()
    assert path.stat().st_size < 20_000
    # it is all that the table needs
    log = path.parent / '0' / 'vis_data' / 'scalars.json'
    log.unlink()
    run(write_grid(tmp_path, 'e'), '--work-dir', tmp_path, '--seeds', 3)
    assert len(trained) == 1


def test_a_shared_setting_is_trained_once(trained, tmp_path):
    grids = [
        (write_grid(tmp_path, 'e', 'r1'), 2),
        (write_grid(tmp_path, 'r1', 'r2', name='table_2'), 1),
        (tmp_path / 'table_1.yml', 0),
    ]
    for grid, new in grids:
        trained.clear()
        run(grid, '--work-dir', tmp_path)
        assert len(trained) == new


def test_dry_run_keeps_results(trained, tmp_path):
    words = [write_grid(tmp_path, 'e', 'r1'), '--work-dir', tmp_path]
    run(*words, '--dry-run')
    assert trained == []
    assert read_table(tmp_path / 'table_1.csv')[1][1] == ''
    run(write_grid(tmp_path, 'e', name='table_2'), *words[1:])
    run(*words, '--dry-run')
    _, *rows = read_table(tmp_path / 'table_1.csv')
    assert [row[1] for row in rows] == ['40.00', '']
    # which are not asked for otherwise
    assert [row[4] for row in rows] == ['110', '110']


def test_another_schedule_in_the_same_folder(trained, tmp_path):
    schedule = tmp_path / 'schedule.py'
    words = [write_grid(tmp_path, 'e'), '--work-dir', tmp_path]
    words += ['--schedule', schedule]
    schedule.write_text(SCHEDULE.format(batch=10))
    run(*words)
    schedule.write_text(SCHEDULE.format(batch=20))
    message = r"runs of one schedule, but got .*'batch_size': 10\}.*: 20"
    with pytest.raises(ValueError, match=message):
        run(*words, '--dry-run')
    options = ['--cfg-options', 'train_dataloader.batch_size=10']
    run(*words, *options)
    options += ['optim_wrapper.optimizer.lr=0.5']
    with pytest.raises(ValueError, match=r"'lr': 0\.5"):
        run(*words, *options)
    assert len(trained) == 1


def test_unknown_metric(trained, tmp_path):
    words = [write_grid(tmp_path, 'e'), '--work-dir', tmp_path]
    with pytest.raises(ValueError, match=r"`--metric` .*but got 'mIuO'"):
        run(*words, '--metric', 'mIuO')
    # the training was not in vain
    run(*words)
    assert len(trained) == 1


def test_overrides_that_are_no_words(trained, tmp_path, monkeypatch):
    monkeypatch.undo()
    words = [write_grid(tmp_path, 'e'), '--work-dir', tmp_path]
    grid = words[0].read_text()
    words[0].write_text(f'{grid}    model.train_cfg: {{augments: none}}\n')
    with pytest.raises(ValueError, match=r"`overrides` .*'augments': 'none'"):
        run(*words)


@pytest.mark.slow
def test_trains_and_goes_on_where_it_stopped(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for label in range(10):
        (tmp_path / 'data' / str(label)).mkdir(parents=True)
        image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f'data/{label}/a.png')
    schedule = tmp_path / 'tiny.py'
    schedule.write_text(TINY.format(data=tmp_path / 'data'))
    words = (
        *(write_grid(tmp_path, 'r0', 'r1e', costs='true'), '--work-dir'),
        *(tmp_path / 'runs', '--schedule', schedule, '--seeds', '3'),
        *('--cfg-options', 'model.backbone.backbone.base_channels=4'),
        'model.head.in_channels=16',
    )
    run(*words)
    first = capsys.readouterr().out
    logs = sorted((tmp_path / 'runs').glob('*/train.log'))
    assert [log.parent.name for log in logs] == [
        'resnet32_k16_r0_seed3',
        'resnet32_k16_r1e_seed3',
    ]
    texts = [log.read_text() for log in logs]
    # one that was interrupted at its end
    path = logs[0].with_name('cell.json')
    record = json.loads(path.read_text())
    path.write_text(json.dumps(dict(record, finished=False)))
    run(*words)
    second = capsys.readouterr().out
    assert logs[1].read_text() == texts[1]
    assert 'resumed epoch: 1' in logs[0].read_text()
    table = (tmp_path / 'runs' / 'table_1.md').read_text()
    assert table in first
    assert table in second
    _, *rows = read_table(tmp_path / 'runs' / 'table_1.csv')
    # a single seed has no spread
    assert all(cell for row in rows for cell in row[:3] + row[4:])


def test_a_training_that_fails(tmp_path, make_config):
    config = make_config('infopro/deeplabv3_r18_k4_cityscapes.py')
    words = [config, '--work-dir', tmp_path, '--seeds', '3']
    options = ['--cfg-options', 'model.decode_head.type=ASPQHead']
    with pytest.raises(RuntimeError, match=r'(?s)exit status 1\..*ASPQHead'):
        run(*words, *options)
    record = json.loads(next(tmp_path.glob('*/cell.json')).read_text())
    assert not record['finished']


@pytest.mark.slow  # in a process of its own
def test_configs_without_a_grid(make_config, tmp_path, capsys):
    config = make_config('infopro/deeplabv3_r18_k4_cityscapes.py')
    words = [config, '--work-dir', tmp_path, '--seeds', '3']
    words += ['--cfg-options', 'train_cfg.max_iters=2']
    words += ['train_cfg.val_interval=2']
    run(*words)
    first = capsys.readouterr().out
    log = next(tmp_path.glob('*_seed3/train.log'))
    trained = log.read_text()
    run(*words)
    assert log.read_text() == trained
    table = (tmp_path / 'accuracy.md').read_text()
    assert '| seed 3 | mean | std |' in table
    assert table in first
    assert table in capsys.readouterr().out
