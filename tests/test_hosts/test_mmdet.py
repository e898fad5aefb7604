"""What is special to MMDetection."""

import json
import re
from pathlib import Path

import pytest
from messages import collect_warnings
from mmengine.config import Config

from localsup_mm.engine import check_data
from localsup_mm.hosts import find_host, read_training
from localsup_mm.hosts.mmdet import find_annotations
from localsup_mm.simulation import peak_memory, read_workload


@pytest.mark.parametrize('annotations', [('mask', 'seg'), ('mask',), ()])
def test_boxes(annotations):
    transform = {'type': 'LoadAnnotations'}
    transform.update({f'with_{name}': True for name in annotations})
    dataset = dict(type='A', pipeline=[transform])
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    samples = find_host('mmdet').make_data_samples(cfg, (2, 3, 128, 160))
    assert len(samples) == 2
    instances = samples[0].gt_instances
    assert len(instances) == 32
    assert (instances.bboxes[:, 2:] > instances.bboxes[:, :2]).all()
    assert instances.bboxes.max() <= 160
    assert ('masks' in instances) == ('mask' in annotations)
    assert ('gt_sem_seg' in samples[0]) == ('seg' in annotations)


@pytest.mark.parametrize(
    ('loaded', 'number'), [(dict(num_max_proposals=300), 300), ({}, 2000)]
)
def test_proposals(loaded, number):
    """A Fast R-CNN has no RPN: its boxes come with the data."""
    cfg = read_training('mmdet::fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py')
    cfg.model.backbone.depth = 18
    cfg.model.neck.in_channels = [64, 128, 256, 512]
    for transform in cfg.train_dataloader.dataset.pipeline:
        if transform.type == 'LoadProposals':
            transform.clear()
            transform.update(type='LoadProposals', **loaded)
    samples = find_host('mmdet').make_data_samples(cfg, (2, 3, 128, 160))
    assert len(samples[1].proposals.bboxes) == number
    assert peak_memory(read_workload(cfg, 1, (128, 160))) > 0


def test_what_configs_load():
    mask_rcnn = read_training('mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    rtmdet = read_training('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    panoptic = read_training(
        'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'
    )
    assert find_annotations(mask_rcnn) == ('mask',)
    assert find_annotations(panoptic) == ('mask', 'seg')
    assert find_annotations(rtmdet) == ()


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


@pytest.fixture
def warnings():
    return collect_warnings()


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


def test_annotations_that_are_not_named(root):
    cfg = loader(root)
    del cfg.train_dataloader.dataset.ann_file
    with pytest.raises(
        FileNotFoundError, match=r'`train_dataloader.*ann_file'
    ):
        check_data(cfg, 'train_dataloader')


def test_label_maps_that_are_not_loaded_may_be_missing(root):
    write(root, {1: 'person'}, [1])
    cfg = loader(root)
    dataset = cfg.train_dataloader.dataset
    dataset.data_prefix.seg = 'stuffthingmaps'
    check_data(cfg, 'train_dataloader')
    dataset.pipeline = [dict(type='LoadAnnotations', with_seg=True)]
    with pytest.raises(FileNotFoundError, match='stuffthingmaps'):
        check_data(cfg, 'train_dataloader')


def test_category_that_the_file_does_not_list(root, warnings):
    """mmdetection leaves out its annotations."""
    write(root, {1: 'person'}, [1, 7])
    check_data(loader(root), 'train_dataloader')
    assert re.search(r'category_id.*\[7\].*left out', warnings[0])


def test_category_that_the_data_set_does_not_know(root, warnings):
    write(root, {1: 'person', 2: 'unicorn'}, [1, 2])
    check_data(loader(root), 'train_dataloader')
    (message,) = warnings
    assert re.search(r"\['unicorn'\].*left out.*metainfo=dict", message)
    # listed, but never used
    write(root, {1: 'person', 2: 'unicorn'}, [1])
    check_data(loader(root), 'train_dataloader')
    assert len(warnings) == 1


def test_no_category_that_the_data_set_knows(root, warnings):
    write(root, {2: 'unicorn'}, [2])
    check_data(loader(root), 'train_dataloader')
    assert 'no annotation is left' in warnings[0]
    # then no image is left either
    filtered = loader(root, filter_cfg=dict(filter_empty_gt=True))
    with pytest.raises(ValueError, match=r'unicorn.*metainfo=dict\(classes'):
        check_data(filtered, 'train_dataloader')


def test_chosen_classes_may_leave_others_out(root, warnings, monkeypatch):
    write(root, {1: 'person', 2: 'unicorn'}, [1, 2])
    monkeypatch.chdir(root)
    Path('classes.txt').write_text('unicorn\n')
    # mmengine reads the file of that name
    for classes in (('unicorn',), 'classes.txt'):
        chosen = loader(
            root,
            metainfo=dict(classes=classes),
            filter_cfg=dict(filter_empty_gt=True),
        )
        check_data(chosen, 'train_dataloader')
    assert not warnings
    for classes in (('Unicorn',), 'unicorn.txt'):
        chosen.train_dataloader.dataset.metainfo.classes = classes
        with pytest.raises(ValueError, match='should be classes'):
            check_data(chosen, 'train_dataloader')
