"""What is found to be wrong before the first iteration."""

import pytest
import torch
from cases import CASES, build_model
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch import nn
from torch.utils.data import DataLoader

from localsup_mm import supervise_locally
from localsup_mm.engine import (
    check_batches,
    check_classes,
    check_data,
    prepare_model,
)
from localsup_mm.models import SupConHead

CITYSCAPES = dict(
    type='CityscapesDataset',
    data_prefix=dict(
        img_path='leftImg8bit/train', seg_map_path='gtFine/train'
    ),
)


def loader(root, **kwargs):
    dataset = dict(CITYSCAPES, data_root=str(root))
    return Config(dict(train_dataloader=dict(dataset=dataset), **kwargs))


def test_missing_data_says_what_to_run(tmp_path):
    root = tmp_path / 'nowhere'
    with pytest.raises(
        FileNotFoundError, match=f'(?s){root}.*mini_cityscapes.py {root}'
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


def test_data_set_inside_a_wrapper(tmp_path):
    wrapped = dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(CITYSCAPES, data_root=str(tmp_path / 'no')),
    )
    cfg = Config(dict(train_dataloader=dict(dataset=wrapped)))
    with pytest.raises(FileNotFoundError, match='no'):
        check_data(cfg, 'train_dataloader')
    check_data(cfg, 'val_dataloader')


def test_other_data_set(tmp_path):
    cfg = Config(
        dict(
            train_dataloader=dict(
                dataset=dict(
                    type='ADE20KDataset',
                    data_root=str(tmp_path),
                    data_prefix=dict(img_path='images'),
                )
            )
        )
    )
    with pytest.raises(FileNotFoundError, match='Set data_root'):
        check_data(cfg, 'train_dataloader')


class Segmentor(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.decode_head = nn.Identity()
        self.decode_head.num_classes = num_classes


def test_number_of_classes():
    check_classes(Segmentor(3), dict(classes=('a', 'b', 'c')))
    check_classes(Segmentor(3), {})
    with pytest.raises(ValueError, match=r'head should be 2.*but got 3'):
        check_classes(Segmentor(3), dict(classes=('a', 'b')))


def test_number_of_classes_of_an_aux_head():
    model = build_model(CASES['toy'])
    with pytest.raises(
        ValueError, match=r'local_modules\.0\.aux_head should be 4'
    ):
        check_classes(model, dict(classes=('a', 'b', 'c', 'd')))


def test_normalization_is_that_of_the_preprocessor():
    model = build_model(CASES['toy'])
    model.data_preprocessor.register_buffer(
        'mean', torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    )
    model.data_preprocessor.register_buffer(
        'std', torch.tensor([4.0, 5.0, 6.0]).view(3, 1, 1)
    )
    prepare_model(model)
    decoder = model.backbone.local_supervision.local_modules[0].decoder
    assert decoder.mean.flatten().tolist() == [1, 2, 3]
    assert decoder.std.flatten().tolist() == [4, 5, 6]


def test_unknown_normalization():
    net = supervise_locally(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
        [dict(boundary='0', decoder={})],
    )
    with pytest.raises(ValueError, match='Sequential has no data prepr'):
        prepare_model(net)


def cifar(root, **kwargs):
    dataset = dict(type='CIFAR10', data_root=str(root), **kwargs)
    loader = dict(dataset=dataset)
    return Config(dict(train_dataloader=loader, default_scope='mmpretrain'))


def test_data_set_that_downloads_itself_may_be_missing(tmp_path):
    check_data(cifar(tmp_path / 'no'), 'train_dataloader')
    with pytest.raises(FileNotFoundError, match='no'):
        check_data(cifar(tmp_path / 'no', download=False), 'train_dataloader')


def test_corrupt_file_is_named(tmp_path):
    path = tmp_path / 'cifar-10-batches-py' / 'data_batch_3'
    path.parent.mkdir()
    path.write_bytes(b'truncated')
    with pytest.raises(ValueError, match=f'{path}.*md5.*delete it'):
        check_data(cifar(tmp_path), 'train_dataloader')


@pytest.mark.parametrize(
    ('images', 'batch', 'smallest'), [(9, 4, 1), (9, 1, 1), (1, 4, 1)]
)
def test_batch_of_one_for_the_contrastive_loss(images, batch, smallest):
    model = nn.Sequential(SupConHead(4))
    data = list(range(images))
    loader = DataLoader(data, batch, sampler=DefaultSampler(data))
    with pytest.raises(ValueError, match=f'at least 2.*one of {smallest}'):
        check_batches(model, loader)
    check_batches(nn.Sequential(nn.Linear(4, 4)), loader)


def test_batches_large_enough_for_the_contrastive_loss():
    model = nn.Sequential(SupConHead(4))
    data = list(range(9))
    for loader in (
        DataLoader(data, 4, sampler=DefaultSampler(data), drop_last=True),
        DataLoader(data, 3, sampler=DefaultSampler(data)),
        DataLoader(data, 4, sampler=InfiniteSampler(data)),
    ):
        check_batches(model, loader)
