"""What is special to MMSegmentation."""

import pytest
import torch
from mmengine.config import Config
from mmseg.models.decode_heads import FCNHead
from torch import nn

from localsup_mm.engine import check_data
from localsup_mm.hosts import compute_head_loss, find_host


def loader(root):
    dataset = dict(
        type='CityscapesDataset',
        data_root=str(root),
        data_prefix=dict(
            img_path='leftImg8bit/train', seg_map_path='gtFine/train'
        ),
    )
    return Config(
        dict(default_scope='mmseg', train_dataloader=dict(dataset=dataset))
    )


def test_missing_data_says_what_to_run(tmp_path):
    root = tmp_path / 'nowhere'
    with pytest.raises(
        FileNotFoundError,
        match=f'(?s){root}.*in a clone .*mini_cityscapes.py {root}',
    ):
        check_data(loader(root), 'train_dataloader')


def test_missing_train_ids_say_what_to_run(tmp_path):
    for folder in ('leftImg8bit/train', 'gtFine/train/aachen'):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match='csCreateTrainIdLabelImgs'):
        check_data(loader(tmp_path), 'train_dataloader')
    name = 'gtFine/train/aachen/a_000000_000000_gtFine_labelTrainIds.png'
    (tmp_path / name).touch()
    check_data(loader(tmp_path), 'train_dataloader')


def test_predictions_go_to_a_folder():
    cfg = Config(dict(test_evaluator=dict(type='IoUMetric')))
    find_host('mmseg').save_predictions(cfg, 'folder')
    assert cfg.test_evaluator == dict(
        type='IoUMetric', output_dir='folder', keep_results=True
    )
    cfg = Config(dict(test_evaluator=dict(type='DepthMetric')))
    with pytest.raises(ValueError, match="but got 'folder'"):
        find_host('mmseg').save_predictions(cfg, 'folder')


class PlainHead(nn.Module):
    def loss(self, feats, data_samples):
        return dict(loss=feats[0].sum() + data_samples)


def test_heads_with_and_without_a_train_cfg():
    host = find_host('mmseg')
    samples = host.make_data_samples(Config({}), (2, 3, 8, 8))
    feats = (torch.rand(2, 4, 2, 2),)
    head = FCNHead(in_channels=4, channels=4, num_classes=3).eval()
    expected = head.loss(feats, samples, {})['loss_ce']
    assert compute_head_loss(head, feats, samples)['loss_ce'] == expected
    feats, labels = (torch.ones(1),), torch.ones(1)
    found = host.compute_head_loss(PlainHead(), feats, labels)
    assert (
        found['loss']
        == compute_head_loss(PlainHead(), feats, labels)['loss']
        == 2
    )
