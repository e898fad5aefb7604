"""The command that probes a trained network."""

import json

import numpy as np
import pytest
import torch
from commands import run_localsup
from PIL import Image
from processes import ROOT

FOLDER = """
_base_ = '{root}/configs/{config}'
folder = dict(
    _delete_=True, type='CustomDataset', data_root='{data}', data_prefix='',
    classes=list('0123456789'))
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
train_dataloader = dict(
    batch_size=5, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=pipeline))
val_dataloader = dict(
    batch_size=5, num_workers=0, persistent_workers=False,
    dataset=dict(**folder, pipeline=pipeline))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1)
param_scheduler = dict(end=1, warmup=1)
"""


@pytest.fixture(scope='module')
def write_config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('probe')
    rng = np.random.default_rng(0)
    for name in range(10):
        path = folder / 'data' / str(name) / '0.png'
        path.parent.mkdir(parents=True)
        Image.fromarray(rng.integers(256, size=(8, 8, 3), dtype='uint8')).save(
            path
        )

    def write(config):
        path = folder / config.split('/')[-1]
        path.write_text(
            FOLDER.format(root=ROOT, config=config, data=folder / 'data')
        )
        return path

    return write


def test_two_networks_in_one_chart(write_config, tmp_path):
    pytest.importorskip('matplotlib')
    out, chart = tmp_path / 'probes.json', tmp_path / 'probes.png'
    for name in ('e2e', 'infopro'):
        config = write_config(
            'e2e/resnet32_cifar10.py'
            if name == 'e2e'
            else 'infopro/resnet32_k2_softmax_cifar10.py'
        )
        run = tmp_path / name
        run_localsup('train', config, '--work-dir', run)
        words = [config, run / 'epoch_1.pth', '--num-boundaries', 3]
        words += ['--iterations', 3, '--name', name]
        words += ['--json', out, '--chart', chart]
        printed = run_localsup('probe', *words)
        assert '[3/3] loss' in printed
        assert printed.count('| layer') == 3
    networks = json.loads(out.read_text())
    assert list(networks) == ['e2e', 'infopro']
    for record in networks.values():
        assert (record['iterations'], record['seed']) == (3, 0)
        assert [row['stride'] for row in record['probes']] == [1, 2, 4]
        assert all(row['accuracy'] is not None for row in record['probes'])
    with Image.open(chart) as image:
        assert image.format == 'PNG'
    # the same command gives the same figures
    run_localsup('probe', *words)
    assert json.loads(out.read_text()) == networks
    # where the weights let nothing pass, nothing is found
    checkpoint = torch.load(run / 'epoch_1.pth', weights_only=True)
    for key, value in checkpoint['state_dict'].items():
        if key.startswith('backbone.conv1'):
            value.zero_()
    torch.save(checkpoint, tmp_path / 'blind.pth')
    words[1] = tmp_path / 'blind.pth'
    run_localsup('probe', *words)
    for row in json.loads(out.read_text())['infopro']['probes']:
        assert row['image'] < 0.01
        assert row['accuracy'] == 10


def test_segmentation(make_config, tmp_path):
    config = make_config('infopro/deeplabv3_r18_k4_mini-cityscapes.py')
    options = ['--cfg-options', 'train_cfg.max_iters=1']
    run_localsup('train', config, '--work-dir', tmp_path, *options)
    out = tmp_path / 'probes.json'
    words = ['--num-boundaries', 2, '--iterations', 2, '--json', out]
    run_localsup('probe', config, tmp_path / 'iter_1.pth', *words)
    (record,) = json.loads(out.read_text()).values()
    for row in record['probes']:
        assert row['image'] < 1
        assert 0 <= row['accuracy'] <= 100
        assert row['label_loss'] > 0


def test_number_of_iterations_is_checked(write_config, tmp_path):
    config = write_config('e2e/resnet32_cifar10.py')
    with pytest.raises(ValueError, match='at least 1, but got 0'):
        run_localsup('probe', config, 'no.pth', '--iterations', 0)


@pytest.mark.parametrize('content', ['{"a": 1}', '[1]', '{'])
def test_a_file_of_something_else_is_kept(write_config, tmp_path, content):
    """It is refused before anything is trained."""
    config = write_config('e2e/resnet32_cifar10.py')
    path = tmp_path / 'other.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=r"`--json` should.*other\.json'"):
        run_localsup('probe', config, 'no.pth', '--json', path)
    assert path.read_text() == content
