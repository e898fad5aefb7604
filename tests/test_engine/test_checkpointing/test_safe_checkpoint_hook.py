"""Checkpoints that a real Runner writes."""

import errno
import fcntl
import os

import pytest
import torch
from mmengine.fileio import get_file_backend
from toy_runner import make_runner

from localsup_mm.engine import AtomicLocalBackend


def test_old_checkpoint_goes_after_the_new_one_is_there(tmp_path, monkeypatch):
    seen = []
    put = AtomicLocalBackend.put

    def spy(self, obj, path):
        seen.append(sorted(p.name for p in tmp_path.glob('iter_*.pth')))
        put(self, obj, path)

    monkeypatch.setattr(AtomicLocalBackend, 'put', spy)
    make_runner(tmp_path, checkpoint=dict(max_keep_ckpts=1)).train()
    assert seen == [[], ['iter_1.pth'], ['iter_2.pth'], ['iter_3.pth']]
    assert [p.name for p in tmp_path.glob('iter_*.pth')] == ['iter_4.pth']


def test_atomic_backend_leaves_the_old_file(tmp_path, monkeypatch):
    backend = get_file_backend(backend_args=dict(backend='atomic_local'))
    path = tmp_path / 'a.pth'
    backend.put(b'old', str(path))

    def crash(*args):
        raise OSError

    monkeypatch.setattr(os, 'replace', crash)
    with pytest.raises(OSError):
        backend.put(b'new', str(path))
    assert path.read_bytes() == b'old'


def sync_as_windows(descriptor):
    """It is refused unless the file is open for writing."""
    mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    if mode == os.O_RDONLY:
        raise OSError(errno.EBADF, 'Bad file descriptor')


def refuse(descriptor):
    raise OSError(errno.EINVAL, 'Invalid argument')


@pytest.mark.parametrize('fsync', [sync_as_windows, refuse])
def test_where_fsync_is_refused_files_are_written(
    tmp_path, monkeypatch, fsync
):
    monkeypatch.setattr(os, 'fsync', fsync)
    path = tmp_path / 'new' / 'a.pth'
    AtomicLocalBackend().put(b'new', str(path))
    assert path.read_bytes() == b'new'


def test_what_did_not_arrive_is_an_error(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, 'Input/output error')

    path = tmp_path / 'a.pth'
    path.write_bytes(b'old')
    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError, match='Input/output'):
        AtomicLocalBackend().put(b'new', str(path))
    assert path.read_bytes() == b'old'
    assert [p.name for p in tmp_path.iterdir()] == ['a.pth']


def test_a_config_in_a_checkpoint_is_not_run(tmp_path):
    """mmengine runs one, to count its GPUs."""
    make_runner(tmp_path, max_iters=1).train()
    path = str(tmp_path / 'iter_1.pth')
    checkpoint = torch.load(path, weights_only=True)
    trace = tmp_path / 'trace'
    checkpoint['meta']['config'] = f"import os\nos.mkdir('{trace}')"
    torch.save(checkpoint, path)
    runner = make_runner(tmp_path, max_iters=2, load_from=path, resume=True)
    runner.train()
    assert not trace.exists()


def test_what_is_not_plain_is_left_out(tmp_path):
    runner = make_runner(tmp_path, max_iters=1)
    runner.message_hub.update_info('function', print)
    runner.train()
    checkpoint = torch.load(tmp_path / 'iter_1.pth', weights_only=True)
    assert 'function' not in checkpoint['message_hub']['runtime_info']
    assert checkpoint['message_hub']['runtime_info']['iter'] == 0


@pytest.mark.parametrize(
    ('log_processor', 'expected'),
    [
        ({}, 3),
        (dict(window_size=4), 4),
        # what is averaged over the whole run is kept
        (
            dict(
                custom_cfg=[
                    dict(
                        data_src='loss',
                        method_name='mean',
                        window_size='global',
                    )
                ]
            ),
            6,
        ),
    ],
)
def test_log_history_is_bounded(tmp_path, log_processor, expected):
    runner = make_runner(
        tmp_path,
        max_iters=6,
        checkpoint=dict(max_log_history=3),
        log_processor=dict(dict(window_size=1), **log_processor),
    )
    runner.train()
    checkpoint = torch.load(tmp_path / 'iter_6.pth', weights_only=True)
    history = checkpoint['message_hub']['log_scalars']['train/loss']
    assert len(history['log_history']) == expected
    assert len(history['count_history']) == expected
    in_memory = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(in_memory) <= expected + 1
