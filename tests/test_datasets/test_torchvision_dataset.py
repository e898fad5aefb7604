"""SVHN and STL-10 from small files in their formats."""

import hashlib
import shutil

import mmengine.dist
import numpy as np
import pytest
import torchvision.datasets
from mmengine.registry import DATASETS, DefaultScope
from scipy.io import savemat
from torchvision.datasets.utils import check_integrity

from localsup_mm.datasets import STL10, SVHN

# class, image size, labels in the files, and the classes that they mean
CASES = {
    'SVHN': (SVHN, 32, [1, 9, 10, 2], [1, 9, 0, 2]),
    'STL10': (STL10, 96, [1, 10, 4], [0, 9, 3]),
}


def md5_of(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def draw(number, size):
    """RGB image (H, W, 3): the row, the column and a number."""
    image = np.empty((size, size, 3), np.uint8)
    image[..., 0] = np.arange(size)[:, None]
    image[..., 1] = np.arange(size)
    image[..., 2] = number
    return image


def write_svhn(folder, monkeypatch):
    _, size, labels, _ = CASES['SVHN']
    images = [draw(100 + i, size) for i in range(len(labels))]
    table = {}
    for split in SVHN.SPLITS:
        path = folder / f'{split}_32x32.mat'
        content = {'X': np.stack(images, axis=-1), 'y': np.c_[labels]}
        savemat(path, content, do_compression=True)
        table[split] = [f'http://nowhere/{path.name}', path.name, md5_of(path)]
    monkeypatch.setattr(SVHN.SOURCE, 'split_list', table)


def write_stl10(folder, monkeypatch):
    _, size, labels, _ = CASES['STL10']
    folder = folder / 'stl10_binary'
    folder.mkdir()
    for split in STL10.SPLITS:
        paths = [folder / f'{split}_{kind}.bin' for kind in 'Xy']
        with open(paths[0], 'wb') as file:
            for i in range(len(labels)):
                # each channel column by column
                draw(100 + i, size).transpose(2, 1, 0).tofile(file)
        np.array(labels, np.uint8).tofile(paths[1])
        table = [[path.name, md5_of(path)] for path in paths]
        monkeypatch.setattr(STL10.SOURCE, f'{split}_list', table)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with all files of both, whose md5 torchvision expects."""
    folder = tmp_path / 'source'
    folder.mkdir()
    write_svhn(folder, monkeypatch)
    write_stl10(folder, monkeypatch)
    return folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / 'data'


@pytest.fixture
def downloads(source, monkeypatch):
    """Let torchvision copy from the folder; lists the files it copied."""
    names = []

    def download(url, root, filename, md5):
        # torchvision's own functions skip a file that is there, too
        if not check_integrity(f'{root}/{filename}', md5):
            names.append(filename)
            shutil.copytree(source, root, dirs_exist_ok=True)

    modules = torchvision.datasets.svhn, torchvision.datasets.stl10
    monkeypatch.setattr(modules[0], 'download_url', download)
    monkeypatch.setattr(modules[1], 'download_and_extract_archive', download)
    return names


@pytest.mark.parametrize(
    ('name', 'split'),
    [(name, split) for name in CASES for split in CASES[name][0].SPLITS],
)
def test_content(source, name, split):
    cls, size, _, labels = CASES[name]
    dataset = cls(str(source), split=split, download=False)
    assert dataset.get_gt_labels().tolist() == labels
    for i in range(len(labels)):
        image = dataset[i]['img']
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert np.array_equal(image, draw(100 + i, size))
        assert type(dataset[i]['gt_label']) is int
    assert source.name in repr(dataset)
    assert split in repr(dataset)


@pytest.mark.parametrize('name', CASES)
def test_through_a_pipeline(source, name):
    cls, size, _, labels = CASES[name]
    pipeline = [
        dict(type='RandomCrop', crop_size=size, padding=2),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='PackInputs'),
    ]
    dataset = cls(str(source), pipeline=pipeline, download=False)
    assert len(dataset) == len(labels)
    for i, label in enumerate(labels):
        packed = dataset[i]
        assert packed['inputs'].shape == (3, size, size)
        # in the order of the file: RGB
        assert packed['inputs'][2, 2:-2, 2:-2].unique().tolist() == [100 + i]
        assert packed['data_samples'].gt_label.tolist() == [label]


@pytest.mark.parametrize('scope', ['mmengine', 'mmpretrain', 'mmseg'])
@pytest.mark.parametrize('name', CASES)
def test_known_in_every_scope(name, scope):
    cfg = dict(type=name, data_root='nowhere', lazy_init=True)
    with DefaultScope.overwrite_default_scope(scope):
        assert type(DATASETS.build(cfg)) is CASES[name][0]


def test_classes(source):
    assert SVHN.METAINFO['classes'] == tuple(str(k) for k in range(10))
    assert ', '.join(STL10.METAINFO['classes']) == (
        'airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck'
    )
    dataset = SVHN(str(source), metainfo=dict(classes=list('abcdefghij')))
    assert dataset.CLASSES[0] == 'a'


@pytest.mark.parametrize('name', CASES)
def test_missing_files_are_downloaded_once(downloads, root, name):
    cls, _, _, labels = CASES[name]
    for _ in range(2):
        dataset = cls(str(root), split='test')
        assert dataset.get_gt_labels().tolist() == labels
    assert len(downloads) == 1


def test_home_folder(downloads, root, monkeypatch):
    monkeypatch.setenv('HOME', str(root))
    SVHN('~/digits')
    assert (root / 'digits' / 'train_32x32.mat').exists()


def test_only_labelled_images_are_needed():
    names = [name for name, _ in STL10.SOURCE.train_list]
    assert names == ['train_X.bin', 'train_y.bin']


@pytest.mark.parametrize(
    ('name', 'file'),
    [('SVHN', 'train_32x32.mat'), ('STL10', 'stl10_binary/train_X.bin')],
)
def test_missing_or_corrupt(source, root, name, file):
    cls = CASES[name][0]
    match = '{}.*{}.*not found or corrupted.*download=True'
    with pytest.raises(RuntimeError, match=match.format(file, root)):
        cls(str(root), download=False)
    path = source / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match=match.format(file, source)):
        cls(str(source), download=False)


def test_unknown_split():
    with pytest.raises(ValueError, match=r"'train', 'test', .* got 'val'"):
        SVHN('data/svhn', split='val')
    with pytest.raises(ValueError, match=r"\['train', 'test'\].*'unlabeled'"):
        STL10('data/stl10', split='unlabeled')


@pytest.mark.parametrize('name', CASES)
def test_no_data_root(name):
    with pytest.raises(ValueError, match=rf"got ''.*data/{name.lower()}"):
        CASES[name][0]()


def test_other_processes_wait_and_do_not_download(
    source, downloads, root, monkeypatch
):
    waits = []
    monkeypatch.setattr(mmengine.dist, 'is_main_process', lambda: False)
    monkeypatch.setattr(
        mmengine.dist, 'barrier', lambda: waits.append(root.exists())
    )
    with pytest.raises(RuntimeError, match=rf'{root}.*Only the first'):
        SVHN(str(root))
    assert waits == [False]
    assert downloads == []
    assert not root.exists()
    assert len(SVHN(str(source))) == 4


def test_failure_releases_the_other_processes(root, monkeypatch):
    waits = []
    monkeypatch.setattr(mmengine.dist, 'barrier', lambda: waits.append(1))
    with pytest.raises(RuntimeError, match='corrupted'):
        SVHN(str(root), download=False)
    assert waits == [1]
