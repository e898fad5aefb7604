"""What goes wrong in a long run, and what is lost then.

docs/faults.md is the table of these tests. Trainings are real processes,
forked from one that has done the imports.
"""

import multiprocessing
import os
import re
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from asserts import assert_equal
from commands import forget_runners
from gloo_processes import ensure_server, find_port, join, server
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from PIL import Image
from toy_runner import make_runner

from localsup_mm.engine import hanging_processes_named

resource = pytest.importorskip('resource')  # not on Windows
# by iterations and by epochs; each draws at random in another order
LOOPS = {
    'iterations': dict(max_iters=8),
    'epochs': dict(
        loop=dict(type='EpochBasedTrainLoop', max_epochs=2),
        loader=dict(sampler=dict(type='DefaultSampler', shuffle=True)),
        checkpoint=dict(by_epoch=True, interval=1),
    ),
}
# so slow that the toy does not diverge
OPTIM_WRAPPER = dict(optimizer=dict(type='SGD', lr=1e-6, momentum=0.9))
WORKERS = dict(num_workers=2, persistent_workers=True)


@pytest.fixture(scope='module', autouse=True)
def _server():
    ensure_server()


class At(Hook):
    """Calls a function before an iteration of a training."""

    def __init__(self, iteration, function):
        self.iteration = iteration
        self.function = function

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            self.function()


def train(work_dir, hooks=(), **settings):
    """Train in this process; its weights are returned."""
    wrapper = dict(OPTIM_WRAPPER, **settings.pop('optim_wrapper', {}))
    runner = make_runner(work_dir, optim_wrapper=wrapper, **settings)
    for hook in hooks:
        runner.register_hook(hook)
    with hanging_processes_named(spread=1.0):
        runner.train()
    forget_runners()
    return runner.model.state_dict()


def train_forked(work_dir, iteration=None, function=None, **settings):
    """Train in another process; its exit code is returned."""
    hooks = [At(iteration, function)] if function else []
    process = server.Process(target=_train, args=(work_dir, hooks, settings))
    process.start()
    process.join(timeout=120)
    return process.exitcode


def _train(work_dir, hooks, settings, rank=None, port=None, seconds=600):
    os.setsid()
    with open(work_dir / f'output{rank or ""}', 'w') as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    torch.set_num_threads(1)
    if rank is not None:
        join(rank, port, seconds=seconds)
        settings = dict(
            settings,
            launcher='pytorch',
            cfg=dict(
                model_wrapper_cfg=dict(type='LocalDistributedDataParallel')
            ),
        )
    train(work_dir, hooks, **settings)


def train_two(work_dir, iteration, function, seconds=600, **settings):
    """Train in two processes, the function in the second; exit codes."""
    port = find_port()
    processes = [
        server.Process(
            target=_train,
            args=(work_dir, hooks, settings, rank, port, seconds),
        )
        for rank, hooks in enumerate([[], [At(iteration, function)]])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    return [process.exitcode for process in processes]


def with_loader(settings, changes):
    return dict(settings, loader=dict(settings.get('loader', {}), **changes))


def stop(number):
    os.kill(os.getpid(), number)


def stop_all(number):
    """As a scheduler does that knows each process of a job.

    Not by this process, from which workers take it as an order to end.
    """
    group = f'-{os.getpgid(0)}'
    subprocess.run(['kill', f'-{int(number)}', '--', group])
    time.sleep(0.5)  # time for a worker to end


def read_last(work_dir):
    path = Path((work_dir / 'last_checkpoint').read_text())
    return path.name, torch.load(path, weights_only=True)


def last_checkpoint(work_dir):
    name, checkpoint = read_last(work_dir)
    return name, checkpoint['meta']['iter']


def last_weights(work_dir):
    return read_last(work_dir)[1]['state_dict']


@pytest.fixture(scope='module', params=LOOPS)
def loop(request, tmp_path_factory):
    """Settings of a loop, and the weights that it trains."""
    settings = LOOPS[request.param]
    return settings, train(tmp_path_factory.mktemp('whole'), **settings)


@pytest.mark.parametrize(
    ('name', 'send', 'workers'),
    [
        ('SIGTERM', stop, {}),
        ('SIGUSR1', stop, {}),
        ('SIGTERM', stop_all, WORKERS),
        ('SIGUSR1', stop_all, WORKERS),
    ],
    ids=['SIGTERM', 'SIGUSR1', 'SIGTERM-all', 'SIGUSR1-all'],
)
def test_a_signal_loses_nothing(tmp_path, loop, name, send, workers):
    """Nor does it read an image again; regular checkpoints replace its own."""
    settings, expected = loop
    settings = with_loader(settings, workers)
    number = getattr(signal, name)
    rare = dict(settings.get('checkpoint', {}), interval=9, save_last=False)
    code = train_forked(
        tmp_path, 5, partial(send, number), **{**settings, 'checkpoint': rare}
    )
    output = (tmp_path / 'output').read_text()
    assert code == 128 + number, output
    assert f'{name} stops the training after iteration 6' in output
    assert last_checkpoint(tmp_path) == ('interrupted.pth', 6)
    assert train_forked(tmp_path, resume=True, **settings) == 0
    assert not (tmp_path / 'interrupted.pth').exists()
    assert last_checkpoint(tmp_path)[1] == 8
    assert_equal(last_weights(tmp_path), expected)


def test_kill_loses_nothing_before_the_last_checkpoint(tmp_path, loop):
    settings, expected = loop
    code = train_forked(tmp_path, 5, partial(stop, signal.SIGKILL), **settings)
    assert code == -signal.SIGKILL
    assert last_checkpoint(tmp_path)[1] in (4, 5)
    assert_equal(train(tmp_path, resume=True, **settings), expected)


def kill_worker():
    for child in multiprocessing.active_children():
        child.kill()
        break


def test_a_killed_worker_ends_the_training(tmp_path, loop):
    """With an error that says so, torch's; then as above."""
    settings, expected = loop
    slow = with_loader(settings, WORKERS)
    assert train_forked(tmp_path, 5, kill_worker, **slow) == 1
    output = (tmp_path / 'output').read_text()
    # or, where a batch was just on its way, that the connection is lost
    words = r'is killed by signal: Killed|ConnectionResetError|EOFError'
    assert re.search(words, output)
    assert 4 <= last_checkpoint(tmp_path)[1] < 8
    assert_equal(train(tmp_path, resume=True, **settings), expected)


def kill_while_writing():
    """The next file that is written is half there when the kill comes."""

    def sync(descriptor):
        os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = sync


def test_kill_in_the_midst_of_a_checkpoint(tmp_path, loop):
    settings, expected = loop
    code = train_forked(tmp_path, 5, kill_while_writing, **settings)
    assert code == -signal.SIGKILL
    assert list(tmp_path.glob('*.partial'))
    assert last_checkpoint(tmp_path)[1] in (4, 5)
    assert_equal(train(tmp_path, resume=True, **settings), expected)


def fill_disk(work_dir):
    """No file may grow to the size of a checkpoint."""
    size = min(path.stat().st_size for path in work_dir.glob('*.pth'))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python itself does
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, size - 1))


def test_a_full_disk(tmp_path, loop):
    settings, expected = loop
    fill = partial(fill_disk, tmp_path)
    assert train_forked(tmp_path, 5, fill, **settings) == 1
    output = (tmp_path / 'output').read_text()
    assert 'could not be written' in output
    assert not list(tmp_path.glob('*.partial'))
    assert last_checkpoint(tmp_path)[1] in (4, 5)
    assert_equal(train(tmp_path, resume=True, **settings), expected)


def test_of_two_processes_one_gets_the_signal(tmp_path):
    """Both stop at the next iteration in which they ask each other."""
    codes = train_two(
        tmp_path,
        5,
        partial(stop, signal.SIGTERM),
        max_iters=30,
        checkpoint=dict(interval=100),
    )
    assert codes == [143, 143], (tmp_path / 'output').read_text()
    assert last_checkpoint(tmp_path) == ('interrupted.pth', 11)


def test_of_two_processes_one_is_killed(tmp_path):
    """The other one ends within a minute and says why."""
    codes = train_two(
        tmp_path, 5, partial(stop, signal.SIGKILL), max_iters=10**6
    )
    assert codes == [1, -signal.SIGKILL]
    output = (tmp_path / 'output').read_text()
    assert 'Connection closed by peer' in output or 'reset by peer' in output
    assert last_checkpoint(tmp_path)[1] in (4, 5)


def test_of_two_processes_one_hangs(tmp_path):
    """The other one says which, and ends."""
    codes = train_two(
        tmp_path, 5, partial(time.sleep, 8), seconds=3, max_iters=10**6
    )
    assert codes == [1, 1]
    output = (tmp_path / 'output').read_text()
    assert 'process 1 did not answer within 0.05 minutes' in output


class Pictures(BaseDataset):
    """Image files, one of which is none."""

    def load_data_list(self):
        folder = Path(self.data_root)
        for i in range(8):
            path = folder / f'{i}.png'
            Image.new('RGB', (32, 32), (30 * i, 0, 0)).save(path)
        path.write_bytes(path.read_bytes()[:40])
        paths = sorted(folder.glob('*.png'))
        return [dict(img_path=str(path), label=0) for path in paths]


def pack(data):
    return dict(
        inputs=torch.from_numpy(data['img']).permute(2, 0, 1).float(),
        data_samples=torch.tensor(data['label']),
    )


@pytest.mark.parametrize('num_workers', [0, 1])
def test_a_damaged_image_is_named(tmp_path, num_workers):
    pictures = Pictures(
        data_root=str(tmp_path), pipeline=[LoadImageFromFile(), pack]
    )
    loader = dict(dataset=pictures, num_workers=num_workers)
    with pytest.raises(RuntimeError, match=r'failed at .*/7\.png.*damaged'):
        train(tmp_path, loader=loader, max_iters=8)
