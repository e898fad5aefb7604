"""What is special to MMPretrain."""

import hashlib

import pytest
from mmengine.config import Config
from mmpretrain.datasets import CIFAR10

from localsup_mm.engine import check_data
from localsup_mm.hosts import find_host, read_training


def test_sizes_follow_the_image():
    cfg = read_training('mmpretrain::resnet/resnet18_8xb32_in1k.py')
    host = find_host(cfg)
    small = host.make_default_aux_nets(cfg, (64, 64))
    assert small[0]['decoder']['target_stride'] == 'feature'
    assert small[0]['aux_neck']['num_convs'] == 1
    assert [aux_nets['min_stride'] for aux_nets in small] == [1, 2, 2, 4, 4, 8]
    large = host.make_default_aux_nets(cfg)[0]
    assert large['decoder']['target_stride'] == 4
    assert large == host.make_default_aux_nets(cfg, (224, 224))[0]


def test_aux_nets_of_dgl():
    cfg = read_training('mmpretrain::resnet/resnet18_8xb16_cifar10.py')
    (aux_nets,), context = find_host(cfg).make_aux_nets(cfg, 'dgl', (32, 32))
    assert aux_nets['aux_neck'] == dict(
        type='MLPSRNeck', num_convs=3, num_fcs=3
    )
    assert aux_nets['aux_head']['num_classes'] == 10
    assert context is None


def test_encoders_of_small_images_do_not_pool():
    cfg = read_training('mmpretrain::resnet/resnet18_8xb16_cifar10.py')
    sizes, context = find_host(cfg).make_aux_nets(cfg, 'contsup', (32, 32))
    assert context == dict(mode='r1e', pool_first=False)
    assert 'decoder' not in sizes[0]


def cifar(root, **kwargs):
    dataset = dict(type='CIFAR10', data_root=str(root), **kwargs)
    loader = dict(dataset=dataset)
    return Config(dict(train_dataloader=loader, default_scope='mmpretrain'))


def test_data_set_may_be_missing_where_it_can_be_downloaded(
    tmp_path, server, monkeypatch
):
    monkeypatch.setattr(CIFAR10, 'url', f'{server}/cifar.tar.gz')
    check_data(cifar(tmp_path / 'no'), 'train_dataloader')
    with pytest.raises(FileNotFoundError, match=r'no.*download=False'):
        check_data(cifar(tmp_path / 'no', download=False), 'train_dataloader')


@pytest.mark.usefixtures('no_network')
def test_missing_data_set_without_a_network(tmp_path, monkeypatch):
    with pytest.raises(
        FileNotFoundError,
        match=rf"no 'cifar-10-batches-py/data_batch_1', and {CIFAR10.url} .*"
        r'refused.*Get that file',
    ):
        check_data(cifar(tmp_path), 'train_dataloader')
    # another process of the run may have one
    monkeypatch.setenv('RANK', '1')
    check_data(cifar(tmp_path), 'train_dataloader')


@pytest.mark.usefixtures('no_network')
def test_archive_that_is_there_is_unpacked(tmp_path, monkeypatch):
    (tmp_path / CIFAR10.filename).write_bytes(b'archive')
    with pytest.raises(FileNotFoundError, match='data_batch_1'):
        check_data(cifar(tmp_path), 'train_dataloader')
    md5 = hashlib.md5(b'archive').hexdigest()
    monkeypatch.setattr(CIFAR10, 'tgz_md5', md5)
    check_data(cifar(tmp_path), 'train_dataloader')


@pytest.mark.usefixtures('no_network')
def test_corrupt_file_is_named(tmp_path):
    path = tmp_path / 'cifar-10-batches-py' / 'data_batch_1'
    path.parent.mkdir()
    path.write_bytes(b'truncated')
    with pytest.raises(
        FileNotFoundError, match="corrupt 'cifar-10-batches-py/data_batch_1'"
    ):
        check_data(cifar(tmp_path), 'train_dataloader')
