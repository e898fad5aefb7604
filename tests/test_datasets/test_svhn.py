"""SVHN from small files in its format, with and without a server."""

import hashlib
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import mmengine.dist
import numpy as np
import pytest
from mmengine.registry import DATASETS, DefaultScope
from scipy.io import savemat

from localsup_mm.datasets import SVHN

LABELS = [1, 9, 10, 2]
NAMES = {split: f'{split}_32x32.mat' for split in ('train', 'test', 'extra')}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        self.server.requests.append(self.path)


@contextmanager
def serve(folder):
    """A web server for the files of a folder; lends its URL and requests."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}', server.requests
        finally:
            server.shutdown()
            thread.join()


def md5_of(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def draw(number, size):
    """RGB image (H, W, 3): the row, the column and a number."""
    image = np.empty((size, size, 3), np.uint8)
    image[..., 0] = np.arange(size)[:, None]
    image[..., 1] = np.arange(size)
    image[..., 2] = number
    return image


def write_split(folder, split):
    path = folder / NAMES[split]
    images = np.stack([draw(100 + i, 32) for i in range(len(LABELS))], axis=-1)
    labels = np.array(LABELS, np.uint8)[:, None]
    savemat(path, {'X': images, 'y': labels}, do_compression=True)
    return path


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A served folder with all files, whose md5 are in the table."""
    # a proxy would not find this machine
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    folder = tmp_path / 'source'
    folder.mkdir()
    table = {}
    for split, name in NAMES.items():
        table[split] = {name: md5_of(write_split(folder, split))}
    monkeypatch.setattr(SVHN, 'FILES', table)
    with serve(folder) as (url, _):
        monkeypatch.setattr(SVHN, 'URL', url + '/{name}')
        yield folder


@pytest.fixture
def root(tmp_path):
    return tmp_path / 'data' / 'svhn'


def test_the_published_table():
    names = {split: list(files) for split, files in SVHN.FILES.items()}
    assert names == {split: [name] for split, name in NAMES.items()}
    assert SVHN.METAINFO['classes'] == tuple(str(k) for k in range(10))


@pytest.mark.parametrize('split', ['train', 'test', 'extra'])
def test_content(source, split):
    dataset = SVHN(str(source), split=split, download=False)
    assert len(dataset) == len(LABELS)
    assert dataset.get_gt_labels().tolist() == [1, 9, 0, 2]
    for i in range(len(dataset)):
        image = dataset[i]['img']
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert np.array_equal(image, draw(100 + i, 32))
        assert type(dataset[i]['gt_label']) is int
    assert source.name in repr(dataset)
    assert split in repr(dataset)


def test_through_a_pipeline(source):
    pipeline = [
        dict(type='RandomCrop', crop_size=32, padding=2),
        dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='PackInputs'),
    ]
    dataset = SVHN(str(source), pipeline=pipeline)
    for i in range(len(dataset)):
        packed = dataset[i]
        assert packed['inputs'].shape == (3, 32, 32)
        assert packed['inputs'][2, 2:-2, 2:-2].unique().tolist() == [100 + i]
        assert packed['data_samples'].gt_label.tolist() == [LABELS[i] % 10]


@pytest.mark.parametrize('scope', ['mmengine', 'mmpretrain', 'mmseg'])
def test_known_in_every_scope(scope):
    cfg = dict(type='SVHN', data_root='nowhere', lazy_init=True)
    with DefaultScope.overwrite_default_scope(scope):
        assert type(DATASETS.build(cfg)) is SVHN


def test_classes_may_be_renamed(source):
    dataset = SVHN(str(source), metainfo=dict(classes=list('abcdefghij')))
    assert dataset.CLASSES[0] == 'a'


def test_download(source, root, monkeypatch):
    dataset = SVHN(str(root), split='test')
    assert np.array_equal(dataset[3]['img'], draw(103, 32))
    assert [path.name for path in root.iterdir()] == [NAMES['test']]
    before = (root / NAMES['test']).stat().st_mtime_ns
    monkeypatch.setattr(SVHN, 'URL', 'http://127.0.0.1:9/{name}')
    assert len(SVHN(str(root), split='test')) == len(LABELS)
    assert (root / NAMES['test']).stat().st_mtime_ns == before


def test_home_folder(source, root, monkeypatch):
    monkeypatch.setenv('HOME', str(root))
    SVHN('~/digits')
    assert (root / 'digits' / NAMES['train']).exists()


def test_wrong_file_on_the_server(source, root):
    (source / NAMES['train']).write_bytes(b'moved')
    found = hashlib.md5(b'moved').hexdigest()
    with pytest.raises(RuntimeError, match=f'/train_32x32.*{found}'):
        SVHN(str(root))
    assert list(root.iterdir()) == []


def test_no_file_on_the_server(source, root):
    (source / NAMES['train']).unlink()
    with pytest.raises(RuntimeError, match=r'/train_32x32\.mat.*404'):
        SVHN(str(root))
    assert list(root.iterdir()) == []


def test_no_server(source, root, monkeypatch):
    monkeypatch.setattr(SVHN, 'URL', 'http://127.0.0.1:9/{name}')
    with pytest.raises(RuntimeError, match=r'127\.0\.0\.1:9.*URLError'):
        SVHN(str(root))
    assert list(root.iterdir()) == []


def test_missing(source, root):
    with pytest.raises(
        FileNotFoundError, match=r'train_32x32\.mat.*svhn.*download=True'
    ):
        SVHN(str(root), download=False)
    assert not root.exists()


@pytest.mark.parametrize('download', [True, False])
def test_corrupt(source, root, download):
    root.mkdir(parents=True)
    path = root / NAMES['train']
    path.write_bytes((source / NAMES['train']).read_bytes()[:-1])
    expected = SVHN.FILES['train'][path.name]
    with pytest.raises(
        RuntimeError,
        match=f'{path}.*{expected}.*{md5_of(path)}.*delete it.*http://',
    ):
        SVHN(str(root), download=download)
    # a file of the user's is left alone
    assert path.stat().st_size == (source / path.name).stat().st_size - 1


def test_unknown_split():
    with pytest.raises(ValueError, match=r"'train', 'test', .* got 'val'"):
        SVHN('data/svhn', split='val')


def test_no_data_root():
    with pytest.raises(ValueError, match=r"got ''.*data/svhn"):
        SVHN()


def test_other_processes_wait_and_do_not_download(source, root, monkeypatch):
    waits = []
    monkeypatch.setattr(mmengine.dist, 'is_main_process', lambda: False)
    monkeypatch.setattr(
        mmengine.dist, 'barrier', lambda: waits.append(root.exists())
    )
    with pytest.raises(FileNotFoundError, match=r'svhn.*Only the first'):
        SVHN(str(root))
    assert waits == [False]
    assert not root.exists()
    assert len(SVHN(str(source))) == len(LABELS)


def test_failure_releases_the_other_processes(source, root, monkeypatch):
    waits = []
    monkeypatch.setattr(mmengine.dist, 'barrier', lambda: waits.append(1))
    with pytest.raises(FileNotFoundError, match='svhn'):
        SVHN(str(root), download=False)
    assert waits == [1]
