"""Reading a checkpoint that is not to be trusted."""

import os
import shutil
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from toy_runner import make_runner

from localsup_mm.cli.main import run_command
from localsup_mm.engine import (
    check_resumed,
    export_checkpoint,
    read_checkpoint,
    read_weights,
    weights_suffice,
)


class Smuggler:
    def __init__(self, path, call=os.mkdir, argument='{}'):
        self.path = path
        self.call = call
        self.argument = argument

    def __reduce__(self):
        return self.call, (self.argument.format(self.path),)


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


def test_a_flipped_bit(tmp_path):
    """torch reads it without a word."""
    path = tmp_path / 'flipped.pth'
    torch.save(dict(state_dict=dict(a=torch.ones(1000))), path)
    data = bytearray(path.read_bytes())
    place = data.index(torch.ones(100).numpy().tobytes())
    data[place + 7] ^= 1
    path.write_bytes(data)
    assert not torch.load(path)['state_dict']['a'].eq(1).all()
    with pytest.raises(ValueError, match=r"flipped\.pth', which is damaged"):
        read_checkpoint(str(path))
    read_weights(str(path))  # others' files may lack checksums


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


@pytest.fixture
def published(tmp_path):
    """The weights of a toy, with what mmengine's own checkpoints hold."""
    runner = make_runner(tmp_path / 'run', max_iters=1)
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    checkpoint = dict(
        meta=dict(epoch=1, mean=np.float64(3), dataset_meta=dict(a=[1])),
        state_dict=OrderedDict(runner.model.state_dict()),
        message_hub=dict(log_scalars={'train/loss': history}),
        array=np.arange(3),
    )
    path = str(tmp_path / 'published.pth')
    torch.save(checkpoint, path)
    return path


def test_weights_beside_other_things_are_read(published):
    with pytest.raises(ValueError, match=r'published\.pth.*refused'):
        read_checkpoint(published)
    checkpoint = read_weights(published)
    assert checkpoint['meta'] == dict(epoch=1, dataset_meta=dict(a=[1]))
    assert checkpoint['message_hub'] == dict(log_scalars={})
    assert 'array' not in checkpoint
    assert checkpoint['state_dict']


def test_a_runner_loads_from_such_a_checkpoint(published, tmp_path):
    check_resumed(Config(dict(load_from=published)))
    runner = make_runner(tmp_path / 'new', load_from=published)
    with torch.no_grad():
        for parameter in runner.model.parameters():
            parameter.zero_()
    with weights_suffice():
        runner.load_or_resume()
    state_dict = read_weights(published)['state_dict']
    for name, tensor in runner.model.state_dict().items():
        assert torch.equal(tensor, state_dict[name]), name
    with pytest.raises(Exception, match='Weights only'):
        torch.load(published)


def test_such_a_checkpoint_is_exported(published, tmp_path):
    out, _ = export_checkpoint(published, str(tmp_path / 'out.pth'))
    assert torch.load(out, weights_only=True).keys() == {'meta', 'state_dict'}


@pytest.mark.parametrize(
    ('call', 'argument', 'is_read'),
    [
        (exec, "import os; os.mkdir('{}')", True),
        (shutil.rmtree, '{}', True),
        (os.mkdir, '{}', False),
        (os.system, 'mkdir {}', False),
    ],
)
def test_code_beside_weights_is_not_run(tmp_path, call, argument, is_read):
    path, trace = str(tmp_path / 'bad.pth'), tmp_path / 'trace'
    smuggler = Smuggler(str(trace), call, argument)
    checkpoint = dict(state_dict=dict(a=torch.ones(2)), message_hub=smuggler)
    torch.save(checkpoint, path)
    if call is shutil.rmtree:
        trace.mkdir()
    existed = trace.exists()
    if is_read:
        assert read_weights(path).keys() == {'state_dict'}
    else:
        with pytest.raises(ValueError, match='refused'):
            read_weights(path)
    assert trace.exists() == existed
    torch.save(dict(state_dict=dict(a=smuggler)), path)
    with pytest.raises(ValueError, match='refused'):
        read_weights(path)
    assert trace.exists() == existed


def test_who_trusts_all_checkpoints_may_say_so(
    published, tmp_path, monkeypatch
):
    """torch refuses to load at all if both variables are set."""
    monkeypatch.delenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', raising=False)
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    run_command(['export', published, str(tmp_path / 'out.pth')])
    assert (tmp_path / 'out.pth').exists()
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    with pytest.raises(RuntimeError, match='Only one of'):
        read_checkpoint(published)
