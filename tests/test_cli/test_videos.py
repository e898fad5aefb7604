"""Videos, from localize to test, with clips in 3D and with frames in 2D."""

import numpy as np
import pytest
import torch
from commands import run_localsup
from mmengine.fileio import load
from PIL import Image
from processes import read_scalars
from tiny_videos import CLIPS, FRAMES, write_recognizer

KINDS = {'clips': CLIPS, 'frames': FRAMES}
PICTURES = """
custom_hooks = [dict(type='ReconstructionHook', interval=2)]
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(
    type='Visualizer', name='{name}', vis_backends=vis_backends)
"""
SHAPES = {'clips': '(4, 1, 3, 4, 32, 32)', 'frames': '(4, 3, 3, 32, 32)'}
# a clip: 4 frames side by side, the input above what two decoders make of it;
# a frame: beside these
SIZES = {'clips': (4 * 32, 2 * 3 * 32), 'frames': (3 * 32, 2 * 32)}


@pytest.fixture(scope='module', params=KINDS)
def trained(request, tiny_videos, tmp_path_factory):
    """A host's config, the one that is localized, and what it trained."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    stock = write_recognizer(
        folder / 'stock.py',
        tiny_videos,
        KINDS[kind] + PICTURES.format(name=kind),
    )
    words = ('--num-local-modules', '3', '-o', folder / 'my.py')
    printed = run_localsup('localize', stock, *words)
    assert f'planning for {SHAPES[kind]}' in printed
    words = ('--work-dir', folder / 'run')
    run_localsup('train', folder / 'my.py', *words)
    return kind, folder


def test_each_local_module_learns(trained):
    _, folder = trained
    for name in ('local_0', 'local_1'):
        for key in ('loss_cls', 'loss_recon', 'top1_acc'):
            values = read_scalars(folder / 'run', f'{name}.{key}')
            assert len(values) == 2
            assert np.isfinite([*values.values()]).all()


def test_pictures_of_what_is_rebuilt(trained):
    kind, folder = trained
    (path,) = (folder / 'run').rglob('reconstruction_2.png')
    assert Image.open(path).size == SIZES[kind]


def test_the_host_gives_the_checkpoint_the_same_metric(trained):
    _, folder = trained
    (checkpoint,) = (folder / 'run').glob('*.pth')
    scores = []
    for config in ('my.py', 'stock.py'):
        out = folder / f'{config}.pkl'
        words = ('--save-predictions', out, '--work-dir', folder / 'test')
        run_localsup('test', folder / config, checkpoint, *words)
        scores.append([torch.as_tensor(s['pred_score']) for s in load(out)])
    assert len(scores[0]) == 4
    for local, plain in zip(*scores, strict=True):
        assert torch.equal(local, plain)


def test_export_leaves_the_host(trained, tmp_path):
    _, folder = trained
    (checkpoint,) = (folder / 'run').glob('*.pth')
    run_localsup('export', checkpoint, tmp_path / 'plain.pth')
    state = torch.load(tmp_path / 'plain.pth')['state_dict']
    assert not [key for key in state if 'local_supervision' in key]


def test_costs_are_compared(trained):
    _, folder = trained
    words = ('--fake', '--methods', 'infopro')
    printed = run_localsup('compare', folder / 'my.py', *words)
    assert '| e2e |' in printed
    assert '| infopro |' in printed
