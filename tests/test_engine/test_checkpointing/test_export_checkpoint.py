"""What is exported is the plain host model, to the last bit."""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS

import localsup_mm  # noqa: F401 - registers everything
from localsup_mm.cli.main import run_command
from localsup_mm.engine import export_checkpoint

pytest.importorskip('mmseg')


def build_model(is_local):
    """A DeepLab-like network, an eighth as wide as usual."""
    backbone = dict(
        type='mmseg.ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        norm_cfg=dict(type='BN'),
    )
    head = dict(
        type='mmseg.FCNHead',
        channels=4,
        num_convs=1,
        num_classes=3,
        norm_cfg=dict(type='BN'),
    )
    if is_local:
        backbone = dict(
            type='LocalBackbone',
            backbone=backbone,
            local_modules=[
                dict(boundary='layer2.1', decoder={}, aux_head=head)
            ],
        )
    return MODELS.build(
        dict(
            type='mmseg.EncoderDecoder',
            backbone=backbone,
            decode_head=dict(head, in_channels=64, in_index=3),
            test_cfg=dict(mode='whole'),
        )
    )


@pytest.fixture(scope='module')
def model():
    """No statistic of a norm is what it is in a new model."""
    torch.manual_seed(0)
    model = build_model(is_local=True)
    for name, buffer in model.named_buffers():
        if 'running' in name:
            buffer.uniform_(0.5, 1.5)
    return model.eval()


@pytest.fixture
def checkpoint(model):
    """All that a Runner with EMA saves."""
    ema = {f'module.{k}': v + 1 for k, v in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return dict(
        meta=dict(iter=7, cfg='text'),
        state_dict=model.state_dict(),
        ema_state_dict=dict(ema, steps=torch.tensor(7)),
        optimizer=optimizer.state_dict(),
        message_hub=dict(log_scalars={}),
        param_schedulers=[dict(last_step=7)],
        random_states=[dict(torch=torch.get_rng_state())],
    )


@pytest.fixture
def src(checkpoint, tmp_path):
    path = tmp_path / 'iter_7.pth'
    torch.save(checkpoint, path)
    return str(path)


def test_loads_into_plain_host(model, src, tmp_path):
    dst = str(tmp_path / 'new' / 'out.pth')
    assert export_checkpoint(src, dst)[0] == dst
    plain = build_model(is_local=False).eval()
    exported = torch.load(dst, weights_only=True)
    plain.load_state_dict(exported['state_dict'], strict=True)
    inputs = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected, output = model(inputs), plain(inputs)
    assert torch.equal(output, expected)


def test_keeps_network_and_meta_only(model, src, tmp_path):
    dst, num_dropped = export_checkpoint(src, str(tmp_path / 'out.pth'))
    exported = torch.load(dst, weights_only=True)
    assert set(exported) == {'meta', 'state_dict', 'ema_state_dict'}
    assert exported['meta'] == dict(iter=7, cfg='text')
    plain = build_model(is_local=False)
    assert list(exported['state_dict']) == list(plain.state_dict())
    assert (
        exported['state_dict']._metadata.keys()
        == plain.state_dict()._metadata.keys()
    )
    assert list(exported['ema_state_dict']) == [
        *(f'module.{key}' for key in plain.state_dict()),
        'steps',
    ]
    weight = exported['state_dict']['backbone.conv1.weight']
    ema_weight = exported['ema_state_dict']['module.backbone.conv1.weight']
    assert type(weight) is torch.Tensor
    assert torch.equal(ema_weight, weight + 1)
    aux_nets = model.backbone.local_supervision.state_dict()
    assert num_dropped == 2 * len(aux_nets) > 0
    assert list(tmp_path.glob('*.partial')) == []


def test_checkpoint_without_ema_gets_none(checkpoint, src, tmp_path):
    del checkpoint['ema_state_dict']
    torch.save(checkpoint, src)
    dst, _ = export_checkpoint(src, str(tmp_path / 'out.pth'))
    assert set(torch.load(dst, weights_only=True)) == {'meta', 'state_dict'}


def test_parameters_become_plain_tensors(model, tmp_path):
    src = str(tmp_path / 'iter_7.pth')
    whole = torch.zeros(1000, 10)
    parameters = dict(model.named_parameters(), view=whole[0])
    torch.save(dict(state_dict=parameters), src)
    dst, _ = export_checkpoint(src, str(tmp_path / 'out.pth'))
    state_dict = torch.load(dst, weights_only=True)['state_dict']
    assert {type(value) for value in state_dict.values()} == {torch.Tensor}
    assert state_dict['view'].untyped_storage().nbytes() == 10 * 4


def test_sha_is_that_of_the_file(src, tmp_path):
    dst = str(tmp_path / 'out.pth')
    names = {
        export_checkpoint(src, dst, add_sha=True, overwrite=True)[0]
        for _ in range(2)
    }
    (name,) = names
    digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    assert name == str(tmp_path / f'out-{digest[:8]}.pth')
    assert not Path(dst).exists()
    with pytest.raises(FileExistsError, match=re.escape(repr(name))):
        export_checkpoint(src, dst, add_sha=True)
    assert list(tmp_path.glob('*.partial')) == []


def test_main_prints_sizes(src, tmp_path, capsys):
    dst = tmp_path / 'out.pth'
    run_command(['export', src, str(dst)])
    before, after, dropped = capsys.readouterr().out.splitlines()
    size = f'{dst.stat().st_size / 2**20:.1f} MiB'
    assert before.endswith(f' MiB  {src}')
    assert after.strip() == f'{size}  {dst}'
    assert re.fullmatch(r'[1-9]\d* keys of aux nets dropped', dropped)


def test_failed_write_leaves_old_file(src, tmp_path, monkeypatch):
    dst = tmp_path / 'out.pth'
    dst.write_bytes(b'old')

    def fail(value, file):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(OSError, match='disk full'):
        export_checkpoint(src, str(dst), overwrite=True)
    assert dst.read_bytes() == b'old'
    assert list(tmp_path.glob('*.partial')) == []


def test_existing_file_needs_force(src, tmp_path):
    dst = tmp_path / 'out.pth'
    dst.write_bytes(b'old')
    with pytest.raises(FileExistsError, match=re.escape(repr(str(dst)))):
        run_command(['export', src, str(dst)])
    assert dst.read_bytes() == b'old'
    run_command(['export', src, str(dst), '--force'])
    assert 'state_dict' in torch.load(dst, weights_only=True)


@pytest.mark.parametrize('name', ['iter_7.pth', 'link.pth'])
def test_source_is_never_overwritten(src, tmp_path, name):
    (tmp_path / 'link.pth').symlink_to(src)
    dst = str(tmp_path / name)
    with pytest.raises(ValueError, match=re.escape(f'but got {dst!r}')):
        export_checkpoint(src, dst, overwrite=True)
    assert 'optimizer' in torch.load(src, weights_only=True)


def test_missing_source(tmp_path):
    src = str(tmp_path / 'iter_8.pth')
    with pytest.raises(FileNotFoundError, match=re.escape(repr(src))):
        export_checkpoint(src, str(tmp_path / 'out.pth'))


def test_corrupt_source(src, tmp_path):
    Path(src).write_bytes(Path(src).read_bytes()[:1000])
    with pytest.raises(ValueError, match=re.escape(repr(src))):
        export_checkpoint(src, str(tmp_path / 'out.pth'))
    assert not (tmp_path / 'out.pth').exists()


def test_source_without_state_dict(model, tmp_path):
    src = str(tmp_path / 'weights.pth')
    torch.save({'conv.weight': torch.zeros(1)}, src)
    with pytest.raises(ValueError, match=r"got \['conv.weight'\] in .*weig"):
        export_checkpoint(src, str(tmp_path / 'out.pth'))
