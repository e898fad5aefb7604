"""A grid of trainings, from a file or from configs."""

import pytest

from localsup_mm.analysis import make_accuracy_table, read_grid
from localsup_mm.analysis.grid import Cell, Grid

GRID = """
metric: accuracy/top1
as_error: true
costs: true
seeds: [0, 2]
rows:
- config: net.py
  name: net_k{num}_{mode}
  overrides:
    model.mode: [e, r1]
    model.num: [2, 4]
- config: ../other/net.py
- config: mmdet::retinanet/net.py
  overrides:
    lr: 0.1
    crop: [[1, 2]]
"""


def write(tmp_path, text):
    path = tmp_path / 'study.yml'
    path.write_text(text)
    return [str(path)]


def test_of_a_file(tmp_path):
    grid = read_grid(write(tmp_path, GRID))
    assert (grid.name, grid.metric) == ('study', 'accuracy/top1')
    assert (grid.as_error, grid.with_costs) == (True, True)
    names = [
        *('net_k2_e', 'net_k4_e', 'net_k2_r1', 'net_k4_r1', 'other_net'),
        'retinanet_net_lr-0.1_crop-[1, 2]',
    ]
    # all settings with one seed before the next
    assert [c.name for c in grid.cells] == names * 2
    assert [c.seed for c in grid.cells] == [0] * 6 + [2] * 6
    overrides = {'model.mode': 'e', 'model.num': 4}
    config = str(tmp_path / 'net.py')
    assert grid.cells[1] == Cell('net_k4_e', config, overrides, 0)
    assert grid.cells[1].folder == 'net_k4_e_seed0'
    last = grid.cells[-1]
    assert last.config == 'mmdet::retinanet/net.py'
    assert last.overrides == {'lr': 0.1, 'crop': [1, 2]}


def test_seeds_of_the_command_line_come_first(tmp_path):
    grid = read_grid(write(tmp_path, GRID), [5])
    assert {cell.seed for cell in grid.cells} == {5}


def test_of_configs():
    grid = read_grid(['configs/e2e/net.py', 'configs/dgl/net.py'])
    assert (grid.name, grid.metric, grid.as_error) == (
        *('accuracy', 'mIoU'),
        False,
    )
    names = [(cell.folder, cell.config) for cell in grid.cells[:2]]
    assert names == [
        ('e2e_net_seed0', 'configs/e2e/net.py'),
        ('dgl_net_seed0', 'configs/dgl/net.py'),
    ]
    assert [cell.seed for cell in grid.cells] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('seed: [0]\nrows: []', r"`grid` .*'rows'.*but got \['rows', 'seed'"),
        ('seeds: [0]', r"`grid` .*but got \['seeds'\]"),
        ('rows: [{name: a}]', r"`rows` .*'config'.*but got \['name'\]"),
        ('rows: [net.py]', r"`rows` .*'config'.*but got \['net.py'\]"),
        (
            'rows: [{config: a.py, name: "{k}", overrides: {b.mode: e}}]',
            r"`name` .*\['mode'\].*but got '\{k\}'",
        ),
        (
            'rows: [{config: a.py, name: a}, {config: b.py, name: a}]',
            r"different names, but got \['a'\] twice",
        ),
    ],
)
def test_bad_files(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_grid(write(tmp_path, text))


def test_several_grid_files(tmp_path):
    paths = write(tmp_path, GRID)
    with pytest.raises(ValueError, match=r"one grid file.*'net\.py'"):
        read_grid([*paths, 'net.py'])


def test_baseline_and_selected_rows(tmp_path):
    text = GRID.replace('seeds: [0, 2]', 'seeds: [0, 2]\nbaseline: net_k2_e')
    grid = read_grid(write(tmp_path, text))
    assert grid.baseline == 'net_k2_e'
    names = {cell.name for cell in grid.select('net_k4_*').cells}
    assert names == {'net_k4_e', 'net_k4_r1', 'net_k2_e'}
    with pytest.raises(ValueError, match=r"`rows` .* but got 'nett'"):
        grid.select('nett')
    text = text.replace('baseline: net_k2_e', 'baseline: e2e')
    with pytest.raises(ValueError, match=r"`baseline` .* but got 'e2e'"):
        read_grid(write(tmp_path, text))


def test_differences_to_the_baseline_are_paired():
    cells = [Cell(n, '', {}, seed) for seed in (0, 1, 2) for n in 'ab']
    grid = Grid('study', cells, baseline='a', as_error=True)
    finals = dict(a=[70.0, 71.0, 75.0], b=[68.0, 70.0, None])
    records = {
        name: {
            seed: dict(final=final, seconds_per_iteration=None)
            for seed, final in enumerate(values)
            if final is not None
        }
        for name, values in finals.items()
    }
    header, rows = make_accuracy_table(grid, records)
    assert header[4:8] == ['mean', 'std', 'minus a', 'std']
    assert rows[0][6:8] == ['0.00', '0.00']
    # of the seeds that both have
    assert rows[1][1:8] == [
        *('32.00', '30.00', '', '31.00', '1.41'),
        *('1.50', '0.71'),
    ]
