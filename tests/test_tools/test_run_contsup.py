"""The experiments of the ContSup paper: settings, costs, runs and tables."""

import copy
import csv
import functools
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import MODELS, OPTIM_WRAPPERS, init_default_scope
from mmpretrain.structures import DataSample
from PIL import Image
from processes import ROOT, run_tool

from localsup_mm.supervision import expand_local_modules

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import compare_accuracy
import network_cost
import run_contsup

# settings in each experiment
COUNTS = {1: 4, 2: 16, 3: 24, 4: 7, 5: 44, 6: 13}
BUDGET = """
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


SETTINGS = {s.name: s for n in COUNTS for s in run_contsup.read_experiment(n)}


@pytest.fixture(scope='module')
def load(tmp_path_factory):
    """The config of a setting, by name."""
    work_dir = str(tmp_path_factory.mktemp('contsup'))

    @functools.cache
    def load(name):
        path = run_contsup.write_config(SETTINGS[name], work_dir)
        return run_contsup.load_config(path)

    return load


@functools.cache
def read_config(path):
    return Config.fromfile(ROOT / 'configs' / path)


def rule_of(cfg):
    return cfg.model.backbone.local_modules


def build(cfg):
    init_default_scope(cfg.default_scope)
    return MODELS.build(dict(cfg.model, data_preprocessor=preprocessor(cfg)))


def preprocessor(cfg):
    return dict(type='ClsDataPreprocessor', **cfg.data_preprocessor)


def test_number_of_settings():
    settings = {n: run_contsup.read_experiment(n) for n in COUNTS}
    assert {n: len(s) for n, s in settings.items()} == COUNTS
    assert len({s for group in settings.values() for s in group}) == 78
    # no two in one folder
    assert len(SETTINGS) == 78


@pytest.mark.slow
def test_names_say_what_is_trained(load):
    pattern = re.compile(
        r'(resnet\d+)_k(\d+)_(r?\d*e?)(-contrast)?(-decoder)?(-balanced)?_'
        r'(\w+)'
    )
    for name in SETTINGS:
        found = pattern.fullmatch(name)
        net, k, mode, contrast, decoder, balanced, dataset = found.groups()
        cfg = load(name)
        rule = rule_of(cfg)
        assert cfg.model.backbone.context_supply.mode == mode
        assert len(expand_local_modules(**rule)) == int(k) - 1
        assert (rule.aux_head.type == 'SupConHead') == bool(contrast)
        assert (rule.decoder is not None) == bool(decoder)
        assert ('balanced' in rule.partition) == bool(balanced)
        assert cfg.model.backbone.backbone.depth == int(net[6:])
        root = cfg.train_dataloader.dataset.data_root
        assert root == f'data/{dataset}'


def test_files_have_the_names_of_their_own_settings():
    files = sorted(p.name for p in run_contsup.CONFIGS.glob('resnet*.py'))
    used = {s.config for n in COUNTS for s in run_contsup.read_experiment(n)}
    assert sorted(used) == files
    for file in files:
        cfg = read_config(f'contsup/{file}')
        own = run_contsup.Setting(
            file,
            cfg.model.backbone.context_supply.mode,
            rule_of(cfg).num_local_modules,
        )
        assert f'{own.name}.py' == file


@pytest.mark.slow
def test_local_losses_without_decoder_have_weight_1(load):
    for name in SETTINGS:
        if 'decoder' in name:
            continue
        for module in expand_local_modules(**rule_of(load(name))):
            head = module['aux_head']
            assert head.get('loss', head).get('loss_weight', 1.0) == 1.0
            assert module['decoder'] is None
            neck = module['aux_neck']
            assert (neck['num_convs'], neck['fc_channels']) == (1, (128,))


@pytest.mark.slow
def test_with_decoder_it_is_infopro(load):
    for name in SETTINGS:
        if 'decoder' in name:
            stem = re.sub(r'_r?\d*e?-contrast-decoder_', '_contrast_', name)
            stem = re.sub(r'_r?\d*e?-decoder_', '_softmax_', stem)
            infopro = read_config(f'infopro/{stem}.py')
            assert rule_of(load(name)) == rule_of(infopro)


def test_label_losses_of_svhn_are_not_switched_off(load):
    cfg = load('resnet110_k4_r1e-contrast-decoder_svhn')
    *_, last = expand_local_modules(**rule_of(cfg))
    assert last['aux_head']['loss_weight'] == 1.0


@pytest.mark.parametrize(
    ('name', 'local_modules'),
    [
        ('resnet32_k8_r8_cifar10', 7),
        ('resnet32_k4_r1-contrast_cifar10', 3),
        ('resnet110_k3_e-contrast-balanced_cifar10', 2),
        ('resnet110_k16_r1e-contrast-decoder_stl10', 15),
        ('resnet110_k4_r1e-decoder_svhn', 3),
    ],
)
def test_builds(load, name, local_modules):
    backbone = build(load(name)).backbone
    assert len(backbone.local_supervision.local_modules) == local_modules
    assert len(backbone.context_supply.encoders) == local_modules


@pytest.mark.parametrize(
    'name',
    [
        'resnet32_k16_r16_cifar10',
        'resnet32_k4_r1-decoder_cifar10',
        'resnet32_k2_e-contrast_cifar10',
    ],
)
def test_one_iteration(load, name):
    cfg = load(name)
    model = build(cfg).train()
    before = [p.clone() for p in model.parameters()]
    wrapper = OPTIM_WRAPPERS.build(
        dict(
            type=cfg.optim_wrapper.type,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.01),
        )
    )
    batch = dict(
        inputs=[torch.randint(256, (3, 16, 16)) for _ in range(4)],
        data_samples=[DataSample().set_gt_label(i // 2) for i in range(4)],
    )
    assert model.train_step(batch, wrapper)['loss'].isfinite()
    learned = [
        not torch.equal(a, b) for a, b in zip(before, model.parameters())
    ]
    assert sum(learned) > 0.9 * len(learned)


# parameters and MACs beyond those of the plain network, in %, by hand
@pytest.mark.parametrize(
    ('name', 'parameters', 'macs'),
    [
        ('resnet32_k16_r0_cifar10', 0.0, 0.0),
        ('resnet32_k16_e_cifar10', 13.3, 89.1),
        ('resnet32_k16_r1_cifar10', 4.7, 6.1),
        ('resnet32_k16_r1e_cifar10', 18.0, 95.2),
        ('resnet32_k16_r2_cifar10', 8.7, 12.7),
        ('resnet32_k16_r4_cifar10', 15.0, 26.8),
        ('resnet32_k16_r8_cifar10', 23.8, 57.2),
        ('resnet32_k16_r16_cifar10', 29.3, 88.4),
        ('resnet32_k8_e_cifar10', 6.2, 41.8),
        ('resnet32_k8_r8_cifar10', 5.9, 19.6),
        ('resnet32_k4_r1e-decoder_cifar10', 3.5, 20.9),
        ('resnet110_k8_r1e-decoder_cifar10', 2.3, 12.9),
        ('resnet110_k16_r1e-contrast-decoder_stl10', 4.9, 26.0),
        ('resnet110_k3_e-contrast-balanced_cifar10', 0.3, 2.4),
    ],
)
def test_inference_costs(load, monkeypatch, name, parameters, macs):
    monkeypatch.setattr(network_cost, 'measure_memory', lambda *_: 0)
    cost = network_cost.measure_cost(load(name))
    assert cost.more_parameters == pytest.approx(parameters, abs=0.06)
    assert cost.more_macs == pytest.approx(macs, abs=0.06)
    if 'resnet32' in name:
        assert cost.plain_parameters == 466_906
        assert cost.plain_macs == pytest.approx(69.12e6, rel=1e-4)


@pytest.mark.slow
def test_metafile_has_the_costs(load, monkeypatch):
    monkeypatch.setattr(network_cost, 'measure_memory', lambda *_: 0)
    metafile = fileio.load(run_contsup.CONFIGS / 'metafile.yml')
    for model in metafile['Models']:
        name = Path(model['Config']).stem
        if name in SETTINGS:
            cost = network_cost.measure_cost(load(name))
            assert model['Metadata']['Parameters'] == cost.parameters
            macs = model['Metadata']['MACs (M)']
            assert macs == pytest.approx(cost.macs / 1e6, abs=0.006)


@pytest.mark.slow
def test_more_context_takes_more_memory(load):
    peaks = []
    for mode in ('r0', 'r1', 'r4', 'r16'):
        cfg = copy.deepcopy(load(f'resnet32_k16_{mode}_cifar10'))
        cfg.train_dataloader.batch_size = 8
        peaks.append(network_cost.measure_cost(cfg).peak_memory)
    assert all(less < more for less, more in pairwise(peaks))


def test_images_of_unknown_size(load):
    cfg = copy.deepcopy(load('resnet32_k2_e_cifar10'))
    cfg.train_dataloader.dataset.pipeline = [dict(type='PackInputs')]
    with pytest.raises(ValueError, match=r"but got \[.*'PackInputs'\]"):
        network_cost.measure_cost(cfg)


def test_unknown_experiment(capsys):
    with pytest.raises(SystemExit):
        run_contsup.parse_args(['7'])
    assert 'invalid choice: 7' in capsys.readouterr().err


@pytest.fixture
def trained(monkeypatch):
    """Runs that are trained at once, without a training."""
    trained = []

    def train(config, seed, run, budget, options):
        cfg = run_contsup.load_config(config, budget, options)
        mode = cfg.model.backbone.context_supply.mode
        trained.append((mode, rule_of(cfg).num_local_modules, seed))
        (run / '0' / 'vis_data').mkdir(parents=True)
        records = [
            *(dict(step=i, lr=0.1, time=t) for i, t in enumerate([9, 1, 2])),
            {'step': 1, 'accuracy/top1': 10.0, 'time': 50.0},
            {'step': 2, 'accuracy/top1': 60.0 + seed, 'time': 50.0},
        ]
        log = run / '0' / 'vis_data' / 'scalars.json'
        log.write_text('\n'.join(map(json.dumps, records)))
        cfg.dump(run / Path(config).name)
        (run / 'finished').touch()

    cost = network_cost.Cost(110, 3_000_000, 100, 2_000_000, 5 * 2**20)
    monkeypatch.setattr(compare_accuracy, 'train', train)
    monkeypatch.setattr(run_contsup, 'measure_cost', lambda cfg: cost)
    return trained


def read_table(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_table(trained, tmp_path, capsys):
    words = ['1', '--work-dir', str(tmp_path), '--seeds', '0', '2']
    run_contsup.main(words)
    modes = ['r0', 'e', 'r1', 'r1e']
    assert trained == [(mode, 16, seed) for seed in (0, 2) for mode in modes]
    output = capsys.readouterr().out
    assert '[4/8] resnet32_k16_r1e_cifar10, seed 0: accuracy/top1' in output
    header, *rows = read_table(tmp_path / 'experiment_1.csv')
    assert header[5:9] == [
        *('error, seed 0 (%)', 'error, seed 2 (%)', 'mean (%)', 'std')
    ]
    assert [row[2] for row in rows] == modes
    for row in rows:
        assert row[3:9] == ['softmax', 'no', '40.00', '38.00', '39.00', '1.41']
        assert row[9:] == ['110', '10.0', '3.00', '50.0', '5', '2.000']
    table = (tmp_path / 'experiment_1.md').read_text()
    assert table in output
    assert table.count('| 39.00 | 1.41 |') == 4


@pytest.mark.slow
def test_a_shared_setting_is_trained_once(trained, tmp_path):
    for number, new in ((1, 4), (6, 10), (2, 13), (1, 0)):
        trained.clear()
        run_contsup.main([str(number), '--work-dir', str(tmp_path)])
        assert len(trained) == new


def test_dry_run_keeps_results(trained, tmp_path):
    words = ['6', '--work-dir', str(tmp_path)]
    run_contsup.main([*words, '--dry-run'])
    assert trained == []
    assert read_table(tmp_path / 'experiment_6.csv')[1][5] == ''
    run_contsup.main(['1', *words[1:]])
    run_contsup.main([*words, '--dry-run'])
    _, *rows = read_table(tmp_path / 'experiment_6.csv')
    done = {row[0] for row in rows if row[5]}
    assert done == {
        f'resnet32_k16_{mode}_cifar10' for mode in ('r0', 'e', 'r1')
    }


def test_another_budget_in_the_same_folder(trained, tmp_path):
    budget = tmp_path / 'budget.py'
    words = ['1', '--work-dir', str(tmp_path), '--budget', str(budget)]
    budget.write_text(BUDGET.format(batch=10))
    run_contsup.main(words)
    budget.write_text(BUDGET.format(batch=20))
    with pytest.raises(ValueError, match='runs of one budget, but got'):
        run_contsup.main([*words, '--dry-run'])
    run_contsup.main(
        [*words, '--cfg-options', 'train_dataloader.batch_size=10']
    )


@pytest.mark.slow
def test_trains_and_goes_on_where_it_stopped(tmp_path):
    rng = np.random.default_rng(0)
    for label in range(10):
        (tmp_path / 'data' / str(label)).mkdir(parents=True)
        image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / f'data/{label}/a.png')
    budget = tmp_path / 'tiny.py'
    budget.write_text(TINY.format(data=tmp_path / 'data'))
    words = (
        *('analysis_tools/run_contsup.py', '1', '--budget', budget),
        *('--work-dir', tmp_path / 'runs', '--seeds', '3', '--cfg-options'),
        *(
            'model.backbone.backbone.base_channels=4',
            'model.head.in_channels=16',
        ),
    )
    first = run_tool(*words)
    logs = sorted((tmp_path / 'runs').glob('*/train.log'))
    assert [log.parent.name for log in logs] == [
        f'resnet32_k16_{mode}_cifar10_seed3'
        for mode in ('e', 'r0', 'r1', 'r1e')
    ]
    texts = [log.read_text() for log in logs]
    # one that was interrupted at its end
    (logs[0].parent / 'finished').unlink()
    second = run_tool(*words)
    assert [log.read_text() for log in logs[1:]] == texts[1:]
    assert 'resumed epoch: 1' in logs[0].read_text()
    table = (tmp_path / 'runs' / 'experiment_1.md').read_text()
    assert table in first
    assert table in second
    _, *rows = read_table(tmp_path / 'runs' / 'experiment_1.csv')
    assert all(cell for row in rows for cell in row[:7] + row[8:])
