"""Data sets without images."""

import json

import pytest
from messages import collect_warnings
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, init_default_scope
from torch.utils.data import DataLoader, IterableDataset

from localsup_mm.engine.checks import check_not_empty, empty_data_explained
from localsup_mm.errors import SetupError


def build(scope, **kwargs):
    init_default_scope(scope)
    with empty_data_explained():
        return DATASETS.build(kwargs)


def test_all_images_filtered_out(tmp_path):
    content = dict(
        images=[dict(id=1, file_name='a.jpg', width=20, height=20)],
        annotations=[],
        categories=[dict(id=1, name='person')],
    )
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(content))
    coco = dict(
        type='CocoDataset', ann_file=str(path), data_prefix=dict(img='')
    )
    assert len(build('mmdet', **coco)) == 1
    with pytest.raises(
        SetupError,
        match=r"none of 1, by filter_cfg={'filter_empty_gt'.*person",
    ):
        build('mmdet', filter_cfg=dict(filter_empty_gt=True), **coco)


def test_no_image_is_listed(tmp_path):
    path = tmp_path / 'a.txt'
    path.touch()
    with pytest.raises(SetupError, match=rf"`ann_file`.*but got '{path}'"):
        build('mmseg', type='ADE20KDataset', ann_file=str(path))


@pytest.mark.parametrize('name', ['a.png', None])
def test_no_image_is_found(tmp_path, name):
    if name:
        (tmp_path / name).touch()
    found = 'files such as .a.png' if name else 'no files'
    with pytest.raises(SetupError, match=rf"got '\.jpg', and in.*{found}"):
        build(
            'mmseg',
            type='ADE20KDataset',
            data_prefix=dict(img_path=str(tmp_path)),
        )


def test_other_errors_are_left_alone():
    with pytest.raises(ValueError, match=r'^other$'), empty_data_explained():
        raise ValueError('other')


def test_data_set_that_is_not_serialized():
    dataset = BaseDataset(serialize_data=False, lazy_init=True)
    dataset._fully_initialized = True
    loader = DataLoader(dataset, sampler=[])
    with pytest.raises(SetupError, match='BaseDataset with none'):
        check_not_empty(loader)


def test_no_batch():
    warnings = collect_warnings()
    check_not_empty(DataLoader([1, 2, 3], 4))
    assert not warnings
    check_not_empty(DataLoader([1, 2, 3], 4, drop_last=True))
    assert 'none of 4 from 3 images' in warnings[0]


def test_data_set_without_a_length():
    class Endless(IterableDataset):
        def __iter__(self):
            yield from range(9)

    check_not_empty(DataLoader(Endless()))
