"""Data sets that are not where a config says, of any host or of none."""

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from localsup_mm.engine import check_data


def make_loader(root, scope, **kwargs):
    dataset = dict(
        type='ADE20KDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images'),
    )
    loader = dict(dataset=dict(dataset, **kwargs))
    return Config(dict(default_scope=scope, train_dataloader=loader))


@pytest.mark.parametrize('scope', ['mmseg', 'mmengine', None])
def test_missing_folder(tmp_path, scope):
    cfg = make_loader(tmp_path, scope)
    with pytest.raises(FileNotFoundError, match=r"images'\. Set data_root"):
        check_data(cfg, 'train_dataloader')
    (tmp_path / 'images').mkdir()
    check_data(cfg, 'train_dataloader')


def test_data_set_inside_a_wrapper(tmp_path):
    cfg = make_loader(tmp_path / 'no', 'mmseg')
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=inner
    )
    with pytest.raises(FileNotFoundError, match='no'):
        check_data(cfg, 'train_dataloader')
    check_data(cfg, 'val_dataloader')


def test_data_set_of_another_host(tmp_path):
    """A host's name before the type counts more than the scope."""
    cfg = make_loader(tmp_path, 'mmseg', type='mmdet.CocoDataset')
    with pytest.raises(FileNotFoundError, match=r'train2017\.zip'):
        check_data(cfg, 'train_dataloader')


@pytest.mark.parametrize('prefix', ['', 'images', 'missing'])
def test_prefix_that_is_a_name(tmp_path, prefix):
    """mmpretrain's data sets take one."""
    (tmp_path / 'images').mkdir()
    cfg = make_loader(tmp_path, 'mmpretrain', type='CustomDataset')
    cfg.train_dataloader.dataset.data_prefix = prefix
    if prefix != 'missing':
        check_data(cfg, 'train_dataloader')
        return
    with pytest.raises(FileNotFoundError, match=r"missing'\. Set data_root"):
        check_data(cfg, 'train_dataloader')


def test_type_that_is_a_class(tmp_path):
    cfg = make_loader(tmp_path, None, type=CocoDataset)
    with pytest.raises(FileNotFoundError, match=r'train2017\.zip'):
        check_data(cfg, 'train_dataloader')


@pytest.mark.parametrize(
    ('root', 'backend'), [('s3://bucket', 'petrel'), ('bucket', 'petrel')]
)
def test_files_in_a_store_are_left_to_the_host(root, backend):
    for kind in ('ADE20KDataset', 'CityscapesDataset', 'mmdet.CocoDataset'):
        cfg = make_loader(root, 'mmseg', type=kind)
        cfg.train_dataloader.dataset.update(
            backend_args=dict(backend=backend), ann_file='a.json'
        )
        check_data(cfg, 'train_dataloader')


@pytest.mark.parametrize('kind', ['ADE20KDataset', 'CityscapesDataset'])
def test_labels_that_are_not_loaded_may_be_missing(tmp_path, kind):
    (tmp_path / 'images').mkdir()
    cfg = make_loader(tmp_path, 'mmseg', type=kind)
    dataset = cfg.train_dataloader.dataset
    dataset.data_prefix.seg_map_path = 'labels'
    dataset.pipeline = [dict(type='LoadImageFromFile')]
    check_data(cfg, 'train_dataloader')
    dataset.pipeline.append(dict(type='LoadAnnotations'))
    with pytest.raises(FileNotFoundError, match="labels'"):
        check_data(cfg, 'train_dataloader')
