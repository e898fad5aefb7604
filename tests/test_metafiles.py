"""Each config is in the metafile of its method, and its name says what it is.

``[{model}_]{backbone}[_k{K}][_{variant}]_{dataset}.py``; a classifier has no
model beside its backbone.
"""

import functools
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.fileio import load

from localsup_mm.supervision import expand_local_modules

ROOT = Path(__file__).parents[1]
METHODS = sorted(
    p.name
    for p in (ROOT / 'configs').iterdir()
    if p.is_dir() and not p.name.startswith('_')
)
FILES = sorted(
    str(p.relative_to(ROOT))
    for method in METHODS
    for p in (ROOT / 'configs' / method).glob('*.py')
)
WORD = '[a-z0-9-]+'
NAME = re.compile(
    rf'((?P<model>deeplabv3|retinanet|(faster|mask)-rcnn)_)?(?P<backbone>{WORD})(_k(?P<k>[1-9]\d*))?'
    rf'(_(?P<variant>(?!k\d+_){WORD}))?_(?P<dataset>(?!k\d+$){WORD})'
)
# K of a name without one: the paper's headline setting; for detectors, which
# the papers do not have, ours
HEADLINE = {'e2e': 1, 'greedy': 2, 'infopro': 2}
DETECTORS = {
    'retinanet_r50': 3,
    'mask-rcnn_r50': 3,
    'mask-rcnn_swin-t': 4,
    'faster-rcnn_r101': 4,
}


def read_metafile(method):
    return load(ROOT / 'configs' / method / 'metafile.yml')


@functools.cache
def read_config(path):
    return Config.fromfile(ROOT / path)


def parse(path):
    return NAME.fullmatch(Path(path).stem)


@pytest.mark.parametrize('method', METHODS)
def test_metafile_lists_each_config_once(method):
    listed = [m['Config'] for m in read_metafile(method)['Models']]
    there = [f for f in FILES if Path(f).parent.name == method]
    assert sorted(listed) == there


@pytest.mark.parametrize('method', METHODS)
def test_metafile_is_consistent(method):
    metafile = read_metafile(method)
    collections = [c['Name'] for c in metafile['Collections']]
    for collection in metafile['Collections']:
        assert (ROOT / collection['README']).is_file()
    for model in metafile['Models']:
        assert model['In Collection'] in collections
        assert model['Name'] == f'{method}_{Path(model["Config"]).stem}'


@pytest.mark.parametrize('method', METHODS)
def test_metadata_is_that_of_the_config(method):
    for model in read_metafile(method)['Models']:
        cfg = read_config(model['Config'])
        metadata = model['Metadata']
        batch = cfg.train_dataloader.batch_size * metadata.get('GPUs', 1)
        assert batch == metadata['Batch Size'], model['Name']
        assert batch == cfg.auto_scale_lr.base_batch_size, model['Name']
        budget = 'max_iters' if 'Iterations' in metadata else 'max_epochs'
        expected = metadata.get('Iterations') or metadata['Epochs']
        assert cfg.train_cfg[budget] == expected, model['Name']


@pytest.mark.parametrize('path', FILES)
def test_name_says_what_it_is(path):
    name = parse(path)
    assert name is not None
    cfg = read_config(path)
    local_modules = cfg.model.backbone.get('local_modules', [])
    if isinstance(local_modules, dict):
        local_modules = expand_local_modules(**local_modules)
    headline = HEADLINE[Path(path).parent.name] if name['k'] is None else 0
    if headline > 1 and name['dataset'] == 'coco':
        headline = DETECTORS[Path(path).stem.removesuffix('_coco')]
    assert len(local_modules) + 1 == int(name['k'] or headline)
    data_root = Path(cfg.train_dataloader.dataset.data_root)
    assert data_root.name.replace('_', '-') == name['dataset']


@pytest.mark.parametrize(
    'stem',
    [
        'deeplabv3',
        'resnet32_k4',
        'deeplabv3_r18_k0_cityscapes',
        'deeplabv3_r18_bs12_k4_cityscapes',
        'DeepLabV3_r18_cityscapes',
    ],
)
def test_other_names_are_refused(stem):
    assert parse(stem) is None


@pytest.mark.parametrize(
    ('stem', 'expected'),
    [
        ('deeplabv3_r101_cityscapes', (None, None, 'cityscapes')),
        ('deeplabv3_r18_k4_camvid', ('4', None, 'camvid')),
        ('deeplabv3_r101_bs12_cityscapes', (None, 'bs12', 'cityscapes')),
        ('resnet110_k4_balanced_stl10', ('4', 'balanced', 'stl10')),
        ('resnet32_cifar10', (None, None, 'cifar10')),
        ('mask-rcnn_swin-t_coco', (None, None, 'coco')),
        ('retinanet_r18_k3_lateral_coco-mini', ('3', 'lateral', 'coco-mini')),
    ],
)
def test_parts_of_a_name(stem, expected):
    name = parse(stem)
    assert (name['k'], name['variant'], name['dataset']) == expected
