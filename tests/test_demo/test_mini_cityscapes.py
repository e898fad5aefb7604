"""The procedural data set is what Cityscapes is to the code that reads it."""

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('cityscapesscripts')

TOOL = Path(__file__).parents[2] / 'demo' / 'mini_cityscapes.py'
SIZE = (96, 192)


def load_tool():
    spec = importlib.util.spec_from_file_location('mini_cityscapes', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


tool = load_tool()


def read_files(folder):
    """Return a digest of every file below the folder, by relative path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    """Six training and four validation images."""
    out = tmp_path_factory.mktemp('mini') / 'cityscapes'
    assert tool.generate(out, train=6, val=4, size=SIZE)
    return out


def test_same_seed_gives_same_images_whatever_their_number(
    data_root, tmp_path
):
    tool.generate(tmp_path, train=2, val=1, size=SIZE)
    files = read_files(tmp_path)
    del files[tool.RECORD]
    assert len(files) == 9
    assert files.items() <= read_files(data_root).items()


def test_other_seed_gives_other_images(data_root, tmp_path):
    assert tool.generate(f'{tmp_path}/', train=1, val=0, size=SIZE, seed=1)
    picture = tool.sample_paths(tmp_path, 'train', 0)[2]
    other = tool.sample_paths(data_root, 'train', 0)[2]
    assert picture.name == other.name
    assert picture.read_bytes() != other.read_bytes()


def test_all_classes_are_in_every_image(data_root, tmp_path):
    tool.generate(tmp_path, train=4, val=4, size=(64, 128))
    for root in (data_root, tmp_path):
        for path in root.rglob('*_labelTrainIds.png'):
            labels, counts = np.unique(Image.open(path), return_counts=True)
            assert labels.tolist() == [*range(19), 255]
            assert counts.min() >= 4


def test_labels_are_what_cityscapesscripts_makes(data_root, tmp_path):
    from cityscapesscripts.helpers.labels import name2label
    from cityscapesscripts.preparation.json2labelImg import json2labelImg

    polygons = sorted(data_root.rglob('*_gtFine_polygons.json'))
    assert len(polygons) == 10
    for path in polygons:
        content = json.loads(path.read_text())
        assert (content['imgHeight'], content['imgWidth']) == SIZE
        assert {o['label'] for o in content['objects']} <= set(name2label)
        json2labelImg(str(path), str(tmp_path / 'label.png'), 'trainIds')
        stem = path.name.replace('_polygons.json', '_labelTrainIds.png')
        with Image.open(path.with_name(stem)) as image:
            assert image.mode == 'L'
            np.testing.assert_array_equal(
                image, Image.open(tmp_path / 'label.png')
            )


@pytest.mark.parametrize(('split', 'count'), [('train', 6), ('val', 4)])
def test_mmseg_loads_all_pairs(data_root, split, count):
    mmseg_datasets = pytest.importorskip('mmseg.datasets')
    dataset = mmseg_datasets.CityscapesDataset(
        data_root=str(data_root),
        data_prefix={
            'img_path': f'leftImg8bit/{split}',
            'seg_map_path': f'gtFine/{split}',
        },
        pipeline=[
            {'type': 'LoadImageFromFile'},
            {'type': 'mmseg.LoadAnnotations'},
        ],
    )
    assert len(dataset) == count
    for sample in dataset:
        assert sample['img'].shape == (*SIZE, 3)
        assert sample['gt_seg_map'].shape == SIZE
        assert sample['img'].std() > 10


def test_complete_data_set_is_left_alone(data_root):
    before = {p: p.stat().st_mtime_ns for p in data_root.rglob('*')}
    assert not tool.generate(data_root, train=6, val=4, size=SIZE)
    assert before == {p: p.stat().st_mtime_ns for p in data_root.rglob('*')}


def test_interrupted_run_completes(data_root, tmp_path, monkeypatch):
    replaced = []

    def replace_until_killed(source, target):
        replaced.append(target)
        if len(replaced) > 1:
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(tool.os, 'replace', replace_until_killed)
        with pytest.raises(KeyboardInterrupt):
            tool.generate(tmp_path, train=2, val=1, size=SIZE)
    kept = tool.sample_paths(tmp_path, 'train', 0)[2]
    written = kept.stat().st_mtime_ns

    with pytest.raises(ValueError, match='"seed": 0'):
        tool.generate(tmp_path, train=2, val=1, size=SIZE, seed=3)
    assert tool.generate(tmp_path, train=2, val=1, size=SIZE)
    files = read_files(tmp_path)
    del files[tool.RECORD]
    assert len(files) == 9
    assert files.items() <= read_files(data_root).items()
    assert kept.stat().st_mtime_ns == written


def test_lost_file_is_written_again(tmp_path):
    tool.generate(tmp_path, train=1, val=1, size=SIZE)
    before = read_files(tmp_path)
    tool.sample_paths(tmp_path, 'val', 0)[1].unlink()
    assert tool.generate(tmp_path, train=1, val=1, size=SIZE)
    assert read_files(tmp_path) == before


def test_force_replaces_only_what_the_tool_wrote(tmp_path):
    tool.generate(tmp_path, train=2, val=0, size=SIZE)
    (tmp_path / 'note.txt').write_text('mine')
    with pytest.raises(ValueError, match='"train": 2'):
        tool.generate(tmp_path, train=1, val=0, size=SIZE)
    assert tool.generate(tmp_path, train=1, val=0, size=SIZE, force=True)
    assert len(list(tmp_path.rglob('*_leftImg8bit.png'))) == 1
    assert (tmp_path / 'note.txt').read_text() == 'mine'


def test_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / 'note.txt').write_text('mine')
    with pytest.raises(ValueError, match=f"{tmp_path}' with other files"):
        tool.generate(tmp_path, train=1, val=0, size=SIZE)


@pytest.mark.parametrize('force', [False, True])
def test_real_cityscapes_is_never_touched(tmp_path, force):
    city = tmp_path / 'leftImg8bit' / 'train' / 'aachen'
    city.mkdir(parents=True)
    with pytest.raises(ValueError, match=f"{tmp_path}' with other files"):
        tool.generate(tmp_path, train=1, val=0, size=SIZE, force=force)
    assert city.is_dir()


def test_file_as_out_is_refused(tmp_path):
    (tmp_path / 'note.txt').write_text('mine')
    with pytest.raises(ValueError, match=r"note\.txt'"):
        tool.generate(tmp_path / 'note.txt')


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'train': -1}, '`train` should be at least 0, but got -1'),
        ({'seed': -3}, '`seed` should be at least 0, but got -3'),
        ({'size': (63, 128)}, '`size` should be at least 64, but got 63'),
    ],
)
def test_bad_arguments_are_named(tmp_path, kwargs, message):
    with pytest.raises(ValueError, match=message):
        tool.generate(tmp_path / 'out', **kwargs)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('size', ['256', '25.5x64', '-64x64'])
def test_bad_size_text_is_named(size):
    with pytest.raises(ValueError, match=f'but got {size!r}'):
        tool.parse_size(size)


def test_missing_cityscapesscripts_says_what_to_install(monkeypatch):
    monkeypatch.setitem(
        sys.modules, 'cityscapesscripts.helpers.annotation', None
    )
    with pytest.raises(ImportError, match='pip install cityscapesscripts'):
        load_tool()


def test_command_line(tmp_path, capsys):
    out = f'{tmp_path}/out/'
    tool.main([out, '--train', '1', '--val', '1', '--size', '64x128'])
    record = json.loads((tmp_path / 'out' / tool.RECORD).read_text())
    assert record == {
        'version': tool.VERSION,
        'train': 1,
        'val': 1,
        'size': [64, 128],
        'seed': 0,
    }
    assert not list(tmp_path.rglob('*.tmp'))
    with pytest.raises(SystemExit):
        tool.main([out, '--size', '64by128'])
    assert "but got '64by128'" in capsys.readouterr().err
