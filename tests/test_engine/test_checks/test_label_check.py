"""The labels of the first batch, as they come out of the host's pipeline."""

import re

import cv2
import numpy as np
import pytest
import torch
from messages import collect_warnings
from mmengine.dataset import Compose
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.structures import DataSample

from localsup_mm.errors import SetupError
from localsup_mm.hosts import check_labels

LOSSES = {
    'softmax': dict(type='CrossEntropyLoss'),
    'sigmoid': dict(type='CrossEntropyLoss', use_sigmoid=True),
    'dice': dict(type='DiceLoss'),
    'lovasz': dict(type='LovaszLoss', reduction='none'),
}


def make_segmentor(loss, **kwargs):
    init_default_scope('mmseg')
    head = dict(
        type='FCNHead',
        in_channels=64,
        in_index=0,
        channels=4,
        num_convs=1,
        num_classes=2,
        loss_decode=LOSSES[loss],
    )
    backbone = dict(
        type='ResNet',
        depth=18,
        num_stages=1,
        strides=(1,),
        dilations=(1,),
        out_indices=(0,),
    )
    return MODELS.build(
        dict(
            type='EncoderDecoder',
            data_preprocessor=dict(type='SegDataPreProcessor'),
            backbone=backbone,
            decode_head=dict(head, **kwargs),
        )
    )


def load_labels(folder, pixels):
    """Write a label image and pack it as mmseg does."""
    path = str(folder / 'label.png')
    cv2.imwrite(path, np.array(pixels, np.uint8))
    pipeline = Compose(
        [
            dict(type='LoadAnnotations'),
            dict(
                type='PackSegInputs',
                meta_keys=('seg_map_path', 'img_shape', 'pad_shape'),
            ),
        ]
    )
    size = len(pixels), len(pixels[0])
    return pipeline(
        dict(
            seg_map_path=path,
            seg_fields=[],
            label_map=None,
            reduce_zero_label=False,
            img_shape=size,
            pad_shape=size,
        )
    )['data_samples']


COLOURS = [[[128, 0, 0]] * 32, [[0, 0, 0]] * 32] * 16
OUTSIDE = [[0] * 16 + [7] * 16] * 32
IGNORED = [[0] * 16 + [255] * 16] * 32
RIGHT = [[0] * 16 + [1] * 10 + [255] * 6] * 32


def look(model, samples):
    """What the check says, and whether it is an error."""
    warnings = collect_warnings()
    try:
        check_labels(model, dict(data_samples=samples), 'mmseg')
    except SetupError as error:
        return str(error), True
    return ''.join(warnings), False


@pytest.mark.filterwarnings('ignore:Please pay attention')
@pytest.mark.parametrize(
    ('loss', 'kwargs'),
    [*((name, {}) for name in LOSSES), ('sigmoid', dict(out_channels=1))],
)
@pytest.mark.parametrize(
    ('pixels', 'expected'),
    [
        (COLOURS, r"label\.png' with labels of shape \(32, 32, 3\)"),
        (OUTSIDE, r"2 classes of the head.*label\.png' with \[7\]"),
        (IGNORED, r'\[0, 255\].*255 stands for class 1, write 1'),
        (RIGHT, '^$'),
    ],
)
def test_label_maps(loss, kwargs, pixels, expected, tmp_path):
    """What the host fails on is an error, what it runs a warning at most."""
    model = make_segmentor(loss, **kwargs)
    sample = load_labels(tmp_path, pixels)
    said, is_error = look(model, [sample])
    assert re.search(expected, said)
    try:
        model.loss(torch.rand(1, 3, 32, 32), [sample])
    except (AssertionError, IndexError, RuntimeError, ValueError):
        # other losses need not fail everywhere
        assert is_error or loss in ('dice', 'lovasz')
    else:
        assert not is_error


def test_label_that_the_head_ignores(tmp_path):
    model = make_segmentor('softmax', ignore_index=7)
    said, is_error = look(model, [load_labels(tmp_path, OUTSIDE)])
    assert 'write 1 in its place' in said
    assert not is_error
    said, is_error = look(model, [load_labels(tmp_path, RIGHT)])
    assert 'or 7, which is ignored' in said
    assert is_error


def test_labels_of_a_model_that_may_change_them(tmp_path):
    class Mapping(type(make_segmentor('softmax'))):
        pass

    model = make_segmentor('softmax')
    model.__class__ = Mapping
    said, is_error = look(model, [load_labels(tmp_path, OUTSIDE)])
    assert '[7]' in said
    assert not is_error


def test_labels_of_classes():
    init_default_scope('mmpretrain')
    model = MODELS.build(
        dict(
            type='ImageClassifier',
            backbone=dict(type='ResNet_CIFAR', depth=18),
            neck=dict(type='GlobalAveragePooling'),
            head=dict(type='LinearClsHead', num_classes=3, in_channels=512),
        )
    )
    samples = [DataSample().set_gt_label(i) for i in (1, 3)]
    with pytest.raises(SetupError, match=r'3 classes.*0 to 2, but got 3 of'):
        check_labels(model, dict(data_samples=samples), 'mmpretrain')
    with pytest.raises(IndexError):
        model.loss(torch.rand(2, 3, 32, 32), samples)
    check_labels(model, dict(data_samples=samples[:1]), 'mmpretrain')


@pytest.mark.parametrize(
    'data_batch',
    [
        None,
        [],
        {},
        dict(data_samples=torch.ones(2)),
        dict(data_samples=[torch.ones(2)]),
    ],
)
@pytest.mark.parametrize('scope', ['mmseg', 'mmdet', 'mmpretrain', None])
def test_other_batches_are_left_alone(data_batch, scope):
    check_labels(torch.nn.Identity(), data_batch, scope)
