"""Data sets that are not where a config says, of any host or of none."""

import pytest
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
