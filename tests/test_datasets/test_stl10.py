"""STL-10 from small files in its format, with and without a server."""

import io
import tarfile

import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from test_svhn import draw, md5_of, serve

from localsup_mm.datasets import STL10

LABELS = {'train': [1, 10, 4], 'test': [2, 3]}
NAMES = ['test_X.bin', 'test_y.bin', 'train_X.bin', 'train_y.bin']


def write_split(folder, split):
    """Write the files as the release has them: column by column."""
    images = [draw(200 + i, 96) for i in range(len(LABELS[split]))]
    with open(folder / f'{split}_X.bin', 'wb') as file:
        for image in images:
            for channel in range(3):
                for column in range(96):
                    image[:, column, channel].tofile(file)
    np.array(LABELS[split], np.uint8).tofile(folder / f'{split}_y.bin')


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder with the extracted files, whose md5 are in the table."""
    folder = tmp_path / 'source' / 'stl10_binary'
    folder.mkdir(parents=True)
    table = {}
    for split in LABELS:
        write_split(folder, split)
        table[split] = {
            name: md5_of(folder / name)
            for name in (f'{split}_X.bin', f'{split}_y.bin')
        }
    monkeypatch.setattr(STL10, 'FILES', table)
    return folder.parent


def pack(source, monkeypatch, extra=(), without=()):
    """Write the archive, with extra members in front."""
    path = source / 'stl10_binary.tar.gz'
    with tarfile.open(path, 'w:gz') as tar:
        for member in extra:
            member.size = 4 if member.isfile() else 0
            tar.addfile(member, io.BytesIO(b'evil'))
        for name in ('class_names.txt', 'unlabeled_X.bin'):
            tar.addfile(tarfile.TarInfo(f'stl10_binary/{name}'))
        for name in NAMES:
            if name not in without:
                tar.add(source / 'stl10_binary' / name, f'stl10_binary/{name}')
    monkeypatch.setattr(STL10, 'ARCHIVE_MD5', md5_of(path))
    return path


@pytest.fixture
def requests(source, monkeypatch):
    """What a server of the source folder was asked for."""
    # a proxy would not find this machine
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with serve(source) as (url, paths):
        monkeypatch.setattr(STL10, 'URL', f'{url}/stl10_binary.tar.gz')
        yield paths


@pytest.fixture
def root(tmp_path):
    return tmp_path / 'data' / 'stl10'


def list_files(root):
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob('*')
        if not path.is_dir()
    )


def test_classes():
    names = ', '.join(STL10.METAINFO['classes'])
    assert names == (
        'airplane, bird, car, cat, deer, dog, horse, monkey, ship, truck'
    )


@pytest.mark.parametrize('split', ['train', 'test'])
def test_content(source, split):
    dataset = STL10(str(source), split=split, download=False)
    assert dataset.get_gt_labels().tolist() == [
        label - 1 for label in LABELS[split]
    ]
    for i in range(len(dataset)):
        image = dataset[i]['img']
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert np.array_equal(image, draw(200 + i, 96))
        assert type(dataset[i]['gt_label']) is int
    assert 'stl10_binary' in repr(dataset)
    assert split in repr(dataset)


def test_through_a_pipeline(source):
    pipeline = [
        dict(type='RandomCrop', crop_size=96, padding=4),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='PackInputs'),
    ]
    dataset = STL10(str(source), pipeline=pipeline)
    for i, label in enumerate(LABELS['train']):
        packed = dataset[i]
        assert packed['inputs'].shape == (3, 96, 96)
        assert packed['inputs'][2, 4:-4, 4:-4].unique().tolist() == [200 + i]
        assert packed['data_samples'].gt_label.tolist() == [label - 1]


def test_known_in_every_scope():
    cfg = dict(type='STL10', data_root='nowhere', lazy_init=True)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert type(DATASETS.build(cfg)) is STL10


def test_download(source, requests, root, monkeypatch):
    pack(source, monkeypatch)
    assert len(STL10(str(root), split='train')) == 3
    assert len(STL10(str(root), split='test')) == 2
    assert requests == ['/stl10_binary.tar.gz']
    assert list_files(root) == [
        'stl10_binary.tar.gz',
        *(f'stl10_binary/{name}' for name in NAMES),
    ]
    # what was extracted does without the archive
    (root / 'stl10_binary.tar.gz').unlink()
    assert len(STL10(str(root), split='train')) == 3
    assert requests == ['/stl10_binary.tar.gz']


def test_archive_got_by_hand(source, requests, root, monkeypatch):
    root.mkdir(parents=True)
    pack(source, monkeypatch).rename(root / 'stl10_binary.tar.gz')
    assert len(STL10(str(root), split='test')) == 2
    assert requests == []


def test_one_file_missing(source, requests, monkeypatch):
    pack(source, monkeypatch)
    root = source
    (root / 'stl10_binary' / 'train_y.bin').unlink()
    before = (root / 'stl10_binary' / 'train_X.bin').stat().st_mtime_ns
    assert STL10(str(root)).get_gt_labels().tolist() == [0, 9, 3]
    after = (root / 'stl10_binary' / 'train_X.bin').stat().st_mtime_ns
    assert after == before


def test_wrong_archive_on_the_server(source, requests, root, monkeypatch):
    path = pack(source, monkeypatch)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RuntimeError, match=f'tar.gz.*{md5_of(path)}'):
        STL10(str(root))
    assert list_files(root) == []


def test_corrupt_archive(source, requests, root, monkeypatch):
    path = pack(source, monkeypatch)
    root.mkdir(parents=True)
    (root / path.name).write_bytes(b'half')
    expected = STL10.ARCHIVE_MD5
    with pytest.raises(
        RuntimeError, match=f'{root}/{path.name}.*{expected}.*delete it'
    ):
        STL10(str(root))
    assert list_files(root) == [path.name]
    assert requests == []


def test_members_cannot_choose_where_they_go(
    source, requests, root, monkeypatch
):
    link = tarfile.TarInfo('stl10_binary/train_X.bin')
    link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
    absolute = str(root.parent / 'evil')
    outside = ['../evil', absolute, 'stl10_binary/../../test_y.bin']
    pack(
        source,
        monkeypatch,
        extra=[link, *(tarfile.TarInfo(name) for name in outside)],
    )
    assert len(STL10(str(root))) == 3
    assert len(list_files(root.parent)) == 1 + len(NAMES)
    assert not (root / 'stl10_binary' / 'train_X.bin').is_symlink()


def test_archive_without_a_file(source, requests, root, monkeypatch):
    pack(source, monkeypatch, without=['train_y.bin'])
    with pytest.raises(RuntimeError, match=r'contain .*train_y\.bin'):
        STL10(str(root))


def test_archive_with_another_file(source, requests, root, monkeypatch):
    (source / 'stl10_binary' / 'train_y.bin').write_bytes(b'else')
    pack(source, monkeypatch)
    with pytest.raises(RuntimeError, match=r'stl10_binary/train_y\.bin.*md5'):
        STL10(str(root))
    assert 'stl10_binary/train_y.bin' not in list_files(root)
    assert not [name for name in list_files(root) if name.endswith('.part')]


def test_missing(source, root):
    with pytest.raises(
        FileNotFoundError,
        match=r'stl10_binary/test_X\.bin.*data/stl10.*download=True',
    ):
        STL10(str(root), split='test', download=False)


def test_corrupt(source):
    path = source / 'stl10_binary' / 'train_X.bin'
    path.write_bytes(path.read_bytes()[:-1])
    expected = STL10.FILES['train'][path.name]
    with pytest.raises(
        RuntimeError, match=f'{path}.*{expected}.*{md5_of(path)}.*delete it'
    ):
        STL10(str(source))


def test_unknown_split():
    with pytest.raises(ValueError, match=r"\['train', 'test'\].*'unlabeled'"):
        STL10('data/stl10', split='unlabeled')


def test_no_data_root():
    with pytest.raises(ValueError, match=r"got ''.*data/stl10"):
        STL10(split='test')
