"""Checkpoints that a real Runner writes."""

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


def test_what_is_not_plain_is_left_out(tmp_path):
    runner = make_runner(tmp_path, max_iters=1)
    runner.message_hub.update_info('function', print)
    runner.train()
    checkpoint = torch.load(tmp_path / 'iter_1.pth', weights_only=True)
    assert 'function' not in checkpoint['message_hub']['runtime_info']
    assert checkpoint['message_hub']['runtime_info']['iter'] == 0
