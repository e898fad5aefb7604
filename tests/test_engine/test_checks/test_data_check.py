"""Annotations of COCO that would train on something else, or on nothing."""

import json

import pytest
from mmengine.config import Config

from localsup_mm.engine import check_data


def loader(root, **kwargs):
    dataset = dict(
        type='CocoDataset',
        data_root=str(root),
        ann_file='annotations/a.json',
        data_prefix=dict(img='images'),
        **kwargs,
    )
    return Config(
        dict(default_scope='mmdet', train_dataloader=dict(dataset=dataset))
    )


@pytest.fixture
def root(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'annotations').mkdir()
    return tmp_path


def write(root, categories, used):
    content = dict(
        images=[],
        categories=[dict(id=i, name=n) for i, n in categories.items()],
        annotations=[dict(category_id=i) for i in used],
    )
    (root / 'annotations/a.json').write_text(json.dumps(content))


def test_missing_folder_says_what_to_download(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'(?s)nowhere.*train2017.zip'):
        check_data(loader(tmp_path / 'nowhere'), 'train_dataloader')


def test_missing_annotations_say_what_to_download(root):
    with pytest.raises(
        FileNotFoundError, match=r'(?s)a\.json.*annotations_trainval2017.zip'
    ):
        check_data(loader(root), 'train_dataloader')


def test_category_that_the_file_does_not_list(root):
    write(root, {1: 'person'}, [1, 7])
    with pytest.raises(ValueError, match=r'category_id.*\[7\]'):
        check_data(loader(root), 'train_dataloader')


def test_category_that_the_data_set_does_not_know(root):
    write(root, {1: 'person', 2: 'unicorn'}, [1, 2])
    with pytest.raises(ValueError, match=r'unicorn.*metainfo=dict\(classes'):
        check_data(loader(root), 'train_dataloader')
    # listed, but never used
    write(root, {1: 'person', 2: 'unicorn'}, [1])
    check_data(loader(root), 'train_dataloader')


def test_chosen_classes_may_leave_others_out(root):
    write(root, {1: 'person', 2: 'unicorn'}, [1, 2])
    chosen = loader(root, metainfo=dict(classes=('unicorn',)))
    check_data(chosen, 'train_dataloader')
    wrong = loader(root, metainfo=dict(classes=('Unicorn',)))
    with pytest.raises(ValueError, match='should be classes'):
        check_data(wrong, 'train_dataloader')
