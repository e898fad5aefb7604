"""The experiments of the ContSup paper: settings and costs."""

import copy
import functools
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import MODELS, OPTIM_WRAPPERS, init_default_scope
from mmpretrain.structures import DataSample
from processes import ROOT

from localsup_mm.analysis import (
    GridRunner,
    count_at_inference,
    count_setting,
    prepare_config,
    read_grid,
)
from localsup_mm.supervision import expand_local_modules

CONFIGS = ROOT / 'configs' / 'contsup'
# settings in each experiment
COUNTS = dict(
    table_1=4, table_2=16, table_3=24, figure_4=7, figure_5=44, table_4=13
)
GRIDS = {name: read_grid([str(CONFIGS / f'{name}.yml')]) for name in COUNTS}
CELLS = {c.name: c for grid in GRIDS.values() for c in grid.cells}


@functools.cache
def load(name):
    """The config of a setting, by name."""
    return GridRunner(Path(), 'accuracy/top1').load_config(CELLS[name])


def count(name):
    cfg = copy.deepcopy(load(name))
    prepare_config(cfg)
    return count_at_inference(cfg)


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
    assert {n: len(grid.cells) for n, grid in GRIDS.items()} == COUNTS
    # what two experiments call by one name is the same
    cells = [cell for grid in GRIDS.values() for cell in grid.cells]
    assert all(CELLS[cell.name] == cell for cell in cells)
    assert len(CELLS) == 78
    assert all(grid.metric == 'accuracy/top1' for grid in GRIDS.values())
    assert all(grid.as_error and grid.with_costs for grid in GRIDS.values())


@pytest.mark.slow
def test_names_say_what_is_trained():
    pattern = re.compile(
        r'(resnet\d+)_k(\d+)_(r?\d*e?)(-contrast)?(-decoder)?(-balanced)?_'
        r'(\w+)'
    )
    for name in CELLS:
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
    files = sorted(p.name for p in CONFIGS.glob('resnet*.py'))
    assert sorted({Path(c.config).name for c in CELLS.values()}) == files
    for file in files:
        cfg = read_config(f'contsup/{file}')
        cell = CELLS[Path(file).stem]
        assert cell.config == str(CONFIGS / file)
        assert list(cell.overrides.values()) == [
            cfg.model.backbone.context_supply.mode,
            rule_of(cfg).num_local_modules,
        ]


@pytest.mark.slow
def test_local_losses_without_decoder_have_weight_1():
    for name in CELLS:
        if 'decoder' in name:
            continue
        for module in expand_local_modules(**rule_of(load(name))):
            head = module['aux_head']
            assert head.get('loss', head).get('loss_weight', 1.0) == 1.0
            assert module['decoder'] is None
            neck = module['aux_neck']
            assert (neck['num_convs'], neck['fc_channels']) == (1, (128,))


@pytest.mark.slow
def test_with_decoder_it_is_infopro():
    for name in CELLS:
        if 'decoder' in name:
            stem = re.sub(r'_r?\d*e?-contrast-decoder_', '_contrast_', name)
            stem = re.sub(r'_r?\d*e?-decoder_', '_softmax_', stem)
            infopro = read_config(f'infopro/{stem}.py')
            assert rule_of(load(name)) == rule_of(infopro)


def test_label_losses_of_svhn_are_not_switched_off():
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
def test_builds(name, local_modules):
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
def test_one_iteration(name):
    cfg = load(name)
    model = build(cfg).train()
    before = {n: p.clone() for n, p in model.named_parameters()}
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
    idle = {n for n, p in model.named_parameters() if p.equal(before[n])}
    # a norm behind a bias takes it off again
    assert {n for n in idle if not n.endswith('.0.bias')} == set()


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
def test_inference_costs(name, parameters, macs):
    cost = count(name)
    assert cost.more_parameters == pytest.approx(parameters, abs=0.06)
    assert cost.more_macs == pytest.approx(macs, abs=0.06)
    if 'resnet32' in name:
        plain = cost.parameters / (1 + cost.more_parameters / 100)
        assert plain == pytest.approx(466_906)
        macs = cost.macs / (1 + cost.more_macs / 100)
        assert macs == pytest.approx(69.12e6, rel=1e-4)


@pytest.mark.slow
def test_metafile_has_the_costs():
    metafile = fileio.load(CONFIGS / 'metafile.yml')
    for model in metafile['Models']:
        name = Path(model['Config']).stem
        if name in CELLS:
            cost = count(name)
            assert model['Metadata']['Parameters'] == cost.parameters
            macs = model['Metadata']['MACs (M)']
            assert macs == pytest.approx(cost.macs / 1e6, abs=0.006)


@pytest.mark.slow
def test_more_context_takes_more_memory():
    peaks = []
    for mode in ('r0', 'r1', 'r4', 'r16'):
        cfg = copy.deepcopy(load(f'resnet32_k16_{mode}_cifar10'))
        cfg.train_dataloader.batch_size = 8
        peaks.append(count_setting(cfg).peak_memory)
    assert all(less < more for less, more in pairwise(peaks))


def test_images_of_unknown_size():
    cfg = copy.deepcopy(load('resnet32_k2_e_cifar10'))
    cfg.train_dataloader.dataset.pipeline = [dict(type='PackInputs')]
    with pytest.raises(ValueError, match=r"but got \[.*'PackInputs'\]"):
        count_setting(cfg)
