"""Metafiles and tables are current, and a config's name says what it is."""

import functools
import importlib.util
import re
from pathlib import Path

import pytest
from config_names import CONFIGS, FILES, METHODS, parse
from mmengine.config import Config
from mmengine.fileio import load

from localsup_mm.supervision import expand_local_modules

ROOT = CONFIGS.parent
# K of a name without one: the paper's headline setting; for detectors, which
# the papers do not have, ours
HEADLINE = {'e2e': 1, 'greedy': 2, 'infopro': 2, 'miniature': 1}
DETECTORS = {
    'retinanet_r50': 3,
    'mask-rcnn_r50': 3,
    'mask-rcnn_swin-t': 4,
    'faster-rcnn_r101': 4,
}


def read_metafile(method):
    return load(CONFIGS / method / 'metafile.yml')


@functools.cache
def read_config(path):
    return Config.fromfile(CONFIGS / path)


@pytest.fixture(scope='module')
def update_tables():
    """The script that writes metafiles and tables."""
    spec = importlib.util.spec_from_file_location(
        'update_tables', CONFIGS / 'update_tables.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('method', METHODS)
def test_metafile_is_current(update_tables, method):
    def read(method, stem):
        return read_config(f'{method}/{stem}.py')

    text = (CONFIGS / method / 'metafile.yml').read_text()
    assert text == update_tables.write_metafile(method, read)


@pytest.mark.parametrize('method', METHODS)
def test_tables_are_current(update_tables, method):
    text = (CONFIGS / method / 'README.md').read_text()
    for table in update_tables.write_tables(method):
        assert f'\n\n{table}\n\n' in text


def test_each_published_number_is_in_a_table(update_tables):
    for method in METHODS:
        published = update_tables.read_published(method)
        tables = '\n'.join(update_tables.write_tables(method))
        for key in ('results', 'without_config'):
            for name, row in published.get(key, {}).items():
                if key == 'results':
                    assert f'{method}/{name}.py' in FILES
                for metric, value in row.items():
                    shown = update_tables.show(value, metric)
                    assert f' {shown} |' in tables, (method, name, metric)


def test_a_table_finds_its_place(update_tables):
    page = 'a\n\n| x | y |\n| --- | --- |\n| old | 1 |\n\nb\n'
    new = '| x | y |\n| --- | --- |\n| new | 2 |'
    replaced = update_tables.replace_table(page, new)
    assert replaced == f'a\n\n{new}\n\nb\n'
    with pytest.raises(ValueError, match=r"begins '\| z \|', but it has none"):
        update_tables.replace_table(page, '| z |')


def test_costs_of_context_are_those_of_the_measurements(update_tables):
    page = (ROOT / 'docs' / 'measurements.md').read_text()
    for name, cost in update_tables.read_published('contsup')['costs'].items():
        assert f'contsup/{name}.py' in FILES
        assert f'{cost["Parameters"]:,} ' in page
        assert f' {cost["MACs (M)"]:.2f} M' in page or (
            f'\n{cost["MACs (M)"]:.2f} M' in page
        )


@pytest.mark.parametrize('method', METHODS)
def test_metafile_lists_each_config_once(method):
    listed = [m['Config'] for m in read_metafile(method)['Models']]
    there = [f'configs/{f}' for f in FILES if Path(f).parent.name == method]
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
        cfg = read_config(model['Config'].removeprefix('configs/'))
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
    dataset = re.sub('-(small|half)$', '', name['dataset'])
    assert data_root.name.replace('_', '-') == dataset


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
