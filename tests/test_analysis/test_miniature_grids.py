"""Each setting of the miniatures' grids trains an iteration."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample
from processes import ROOT

from localsup_mm.analysis import GridRunner, read_grid

FOLDER = ROOT / 'configs' / 'miniature'
COUNTS = dict(methods=33, aux_nets=8, combinations=7, finetune=11)
CELLS = {
    f'{name}-{cell.name}': cell
    for name in COUNTS
    for cell in read_grid([str(FOLDER / f'{name}.yml')], [0]).cells
    # of the large grid one K will do
    if name != 'methods' or '_k4' in cell.name
}


@pytest.mark.parametrize('name', COUNTS)
def test_number_of_settings(name):
    grid = read_grid([str(FOLDER / f'{name}.yml')])
    assert len(grid.cells) == 3 * COUNTS[name]
    assert grid.baseline == 'e2e'


def test_each_grid_is_here():
    assert {path.stem for path in FOLDER.glob('*.yml')} == {
        *COUNTS,
        'metafile',
    }


@pytest.mark.parametrize('name', CELLS)
def test_setting_trains(name):
    cell = CELLS[name]
    cfg = GridRunner(Path(), 'accuracy/top1').load_config(cell)
    for key, value in cell.overrides.items():
        assert _find(cfg, key) == value
    num_classes = cfg.model.head.num_classes
    cfg.model.data_preprocessor = dict(
        type='ClsDataPreprocessor', **cfg.data_preprocessor
    )
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
        model.train()
        optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {k: v.clone() for k, v in model.named_parameters()}
    images = torch.randint(256, (2, 3, 16, 16), dtype=torch.uint8)
    samples = [DataSample().set_gt_label(num_classes - 1) for _ in images]
    model.train_step(
        dict(inputs=[*images], data_samples=samples), optim_wrapper
    )
    # MAN's average follows, and frozen stages do not learn
    still = [
        k
        for k, v in model.named_parameters()
        if v.requires_grad and v.equal(before[k])
    ]
    assert not [k for k in still if k.startswith('backbone.layer')]


def _find(cfg, key):
    for word in key.split('.'):
        cfg = cfg[word]
    return cfg
