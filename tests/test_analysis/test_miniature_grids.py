"""Each setting of the miniatures' grids trains."""

from pathlib import Path

import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from processes import ROOT

from localsup_mm.analysis import GridRunner, make_batch, read_grid
from localsup_mm.simulation import build_host_model

FOLDER = ROOT / 'configs' / 'miniature'
COUNTS = dict(
    methods=33, aux_nets=8, combinations=7, finetune=11, vit=4, camvid=16
)
CELLS = {
    f'{name}-{cell.name}': cell
    for name in COUNTS
    for cell in read_grid([str(FOLDER / f'{name}.yml')], [0]).cells
    # of the large grids one K will do
    if name not in ('methods', 'camvid') or '_k4' in cell.name
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
    is_dense = name.startswith('camvid')
    model = build_host_model(cfg)
    model.train()
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {k: v.clone() for k, v in model.named_parameters()}
    size = (176, 240) if is_dense else (16, 16)
    # a head that begins at 0, as a ViT's, hands nothing back in the first
    for _ in range(2):
        model.train_step(make_batch(cfg, 2, size), optim_wrapper)
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
