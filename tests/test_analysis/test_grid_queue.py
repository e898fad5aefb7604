"""Cells are trained side by side, once each, and failures stop no others."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from processes import ROOT

from localsup_mm.analysis import GridRunner, run_grid
from localsup_mm.analysis.folder_lock import locked
from localsup_mm.analysis.grid import Cell
from localsup_mm.analysis.grid_progress import GridProgress

# in place of `localsup train`: it notes when it ran and writes a log
TRAIN = """
import json, os, pathlib, sys, time
run = pathlib.Path(sys.argv[sys.argv.index('--work-dir') + 1])
if 'bad' in run.name:
    sys.exit('no such luck')
begin = time.time()
while 'slow' in run.name or time.time() < begin + 0.5:
    time.sleep(0.05)
log = run / '0' / 'vis_data' / 'scalars.json'
log.parent.mkdir(parents=True)
log.write_text(json.dumps({'step': 1, 'mIoU': 40.0}))
threads = os.environ.get('OMP_NUM_THREADS')
(run / 'times.json').write_text(json.dumps([begin, time.time(), threads]))
"""
CONFIG = f'{ROOT}/configs/e2e/resnet32_cifar10.py'


def make_cells(*names: str) -> list[Cell]:
    return [Cell(name, CONFIG, {}, 0) for name in names]


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    script = tmp_path / 'train.py'
    script.write_text(TRAIN)
    return GridRunner(
        tmp_path / 'runs', 'mIoU', (sys.executable, str(script)), threads=1
    )


def read_times(runner: GridRunner, name: str) -> list:
    path = runner.work_dir / f'{name}_seed0' / 'times.json'
    return json.loads(path.read_text())


def test_trains_side_by_side(runner, capsys):
    cells = make_cells('a', 'b', 'c')
    found = {cell.name: r['final'] for cell, r in run_grid(runner, cells, 2)}
    assert found == dict(a=40.0, b=40.0, c=40.0)
    a, b, c = (read_times(runner, name) for name in 'abc')
    assert a[0] < b[1] and b[0] < a[1]
    assert c[0] >= min(a[1], b[1])
    assert {x[2] for x in (a, b, c)} == {'1'}
    assert ', about 1 min left)' in capsys.readouterr().out
    # nothing is trained twice
    assert len(list(run_grid(runner, cells, 2))) == 3
    assert [read_times(runner, name) for name in 'abc'] == [a, b, c]


def test_a_failure_does_not_stop_the_others(runner, capsys):
    results = run_grid(runner, make_cells('a', 'bad', 'c'))
    done = []
    with pytest.raises(RuntimeError, match='no such luck'):
        for cell, _ in results:
            done.append(cell.name)
    assert done == ['a', 'c']
    assert '[2/3] bad, seed 0: failed' in capsys.readouterr().out


def test_a_folder_is_trained_in_once(runner):
    (cell,) = make_cells('a')
    run = runner.work_dir / cell.folder
    run.mkdir(parents=True)
    with (
        locked(run),
        pytest.raises(RuntimeError, match='another process trains there'),
    ):
        list(run_grid(runner, [cell]))
    assert len(list(run_grid(runner, [cell]))) == 1


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_queue_begins_nothing_twice(tmp_path, runner, number):
    """Its training ends with it, or keeps the lock while it lives."""
    script = tmp_path / 'run_queue.py'
    script.write_text(
        'import signal, sys\n'
        'from pathlib import Path\n'
        'from localsup_mm.analysis import GridRunner, run_grid\n'
        'from localsup_mm.analysis.grid import Cell\n'
        'signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n'
        f'runner = GridRunner(Path({str(runner.work_dir)!r}), "mIoU",\n'
        f'                    {runner.train_command!r})\n'
        f'list(run_grid(runner, [Cell("slow", {CONFIG!r}, {{}}, 0)]))\n'
    )
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    queue = subprocess.Popen([sys.executable, str(script)], env=environment)
    run = runner.work_dir / 'slow_seed0'
    deadline = time.monotonic() + 60
    while not (run / '.lock').exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    queue.send_signal(number)
    queue.wait(30)
    if number == signal.SIGTERM:
        with locked(run):
            return
    with (
        pytest.raises(RuntimeError, match='another process trains there'),
        locked(run),
    ):
        pass
    subprocess.run(['pkill', '-f', str(tmp_path / 'train.py')], check=True)


def test_time_left():
    cells = make_cells('a', 'b', 'c', 'd')
    progress = GridProgress(cells, 2)
    progress.finish(cells[0], dict(seconds=7200.0))
    assert progress.describe_rest() == ', about 3 h 0 min left'
    progress.finish(cells[1], dict(seconds=3600.0))
    assert progress.describe_rest() == ', about 1 h 30 min left'
    for cell in cells[2:]:
        progress.finish(cell, dict(seconds=1.0))
    assert progress.describe_rest() == ''
