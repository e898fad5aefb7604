"""Reading a checkpoint that is not to be trusted."""

import os

import pytest
import torch

from localsup_mm.engine import read_checkpoint


class Smuggler:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_is_refused_and_not_run(tmp_path):
    path, trace = str(tmp_path / 'bad.pth'), str(tmp_path / 'executed')
    torch.save(dict(state_dict={}, meta=Smuggler(trace)), path)
    with pytest.raises(ValueError, match=r'bad\.pth.*refused'):
        read_checkpoint(path)
    assert not os.path.exists(trace)


def test_truncated(tmp_path):
    path = tmp_path / 'cut.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(1000))), path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r'cut\.pth'):
            read_checkpoint(str(path))


def test_not_a_checkpoint(tmp_path):
    path = tmp_path / 'text.pth'
    path.write_text('no checkpoint at all')
    with pytest.raises(ValueError, match=r'torch\.save.*text\.pth'):
        read_checkpoint(str(path))
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match='list'):
        read_checkpoint(str(path))


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth'):
        read_checkpoint(str(tmp_path / 'none.pth'))
