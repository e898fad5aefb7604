"""Recognizers: shapes of their batches, labels of videos, and the package."""

import sys

import pytest
import torch
import torch.nn.functional as F
from cases import Case
from commands import run_localsup
from mmengine.config import Config
from test_properties import PROPERTIES
from tiny_videos import need_mmaction

from localsup_mm.errors import BoundaryError
from localsup_mm.hosts import find_host, installed, read_config
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary

SLOWONLY = (
    'mmaction::recognition/slowonly/'
    'slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb.py'
)
SHAPES = {
    SLOWONLY: ((1, 3, 4, 224, 224), (224, 224)),
    'mmaction::recognition/tsn/'
    'tsn_imagenet-pretrained-r50_8xb32-1x1x3-100e_kinetics400-rgb.py': (
        (3, 3, 224, 224),
        (224, 224),
    ),
    'mmaction::recognition/r2plus1d/'
    'r2plus1d_r34_8xb8-8x8x1-180e_kinetics400-rgb.py': (
        (1, 3, 8, 224, 224),
        (224, 224),
    ),
    'mmaction::recognition/c3d/'
    'c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb.py': (
        (1, 3, 16, 112, 112),
        (112, 112),
    ),
}


@pytest.fixture(scope='module', autouse=True)
def _with_mmaction():
    need_mmaction()


@pytest.mark.parametrize('name', SHAPES)
def test_shape_of_a_batch(name):
    cfg = read_config(name)
    host = find_host(cfg)
    shape, size = SHAPES[name]
    assert host.find_image_size(cfg) == size
    assert host.make_input_shape(cfg, 2, 3, size) == (2, *shape)
    (sample,) = host.make_data_samples(cfg, (1, *shape))
    assert sample.gt_label.tolist() == [0]


@pytest.mark.parametrize(
    ('pipeline', 'method', 'message'),
    [
        (
            [dict(type='FormatShape', input_format='NCHW')],
            'make_input_shape',
            'SampleFrames .*but got clip_len=None',
        ),
        (
            [
                dict(type='UniformSampleFrames', clip_len=48),
                dict(type='FormatGCNInput', input_format='NCTHW_Heatmap'),
            ],
            'make_input_shape',
            "NCHW or NCTHW, but got clip_len=48 and 'NCTHW_Heatmap'",
        ),
        (
            [dict(type='Resize', scale=(-1, 256))],
            'find_image_size',
            r"known size, but got \['Resize'\]",
        ),
    ],
)
def test_a_pipeline_that_does_not_say_it(pipeline, method, message):
    dataset = dict(pipeline=pipeline)
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    args = (2, 3, (64, 64)) if method == 'make_input_shape' else ()
    with pytest.raises(ValueError, match=message):
        getattr(find_host('mmaction'), method)(cfg, *args)


SLOW = Case(
    dict(
        type='mmaction.ResNet3dSlowOnly',
        depth=18,
        pretrained=None,
        base_channels=4,
        conv1_kernel=(1, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        inflate=(0, 0, 1, 1),
        out_indices=(0, 3),
        norm_eval=False,
    ),
    ['layer1.0', 'layer3.0'],
    (0,),
)


@pytest.mark.parametrize(
    'check', PROPERTIES, ids=lambda f: f.__name__.removeprefix('assert_')
)
def test_property_of_a_3d_resnet(check):
    check(SLOW)


def make_samples(*labels):
    from mmaction.structures import ActionDataSample

    return [ActionDataSample().set_gt_label(label) for label in labels]


HEAD = dict(
    type='mmaction.TSNHead',
    num_classes=3,
    spatial_type=None,
    dropout_ratio=0.0,
)
POOL = dict(type='ConvPool', num_convs=0)


def test_labels_are_of_videos_whatever_the_number_of_frames():
    """The mean of the frames' features is what is classified."""
    module = LocalModule(
        Boundary('layer1', channels=4, stride=4), aux_neck=POOL, aux_head=HEAD
    )
    feats = torch.rand(6, 4, 2, 2)
    losses = module.loss(feats, torch.rand(6, 3, 8, 8), make_samples(2, 0))
    means = feats.mean((2, 3)).view(2, 3, 4).mean(1)
    expected = F.cross_entropy(
        module.aux_head.fc_cls(means), torch.tensor([2, 0])
    )
    torch.testing.assert_close(losses['loss_cls'], expected)


def test_clips_are_classified_one_by_one():
    boundary = Boundary('layer1', channels=4, stride=4, frame_stride=1)
    module = LocalModule(boundary, aux_neck=POOL, aux_head=HEAD)
    feats = torch.rand(2, 4, 5, 2, 2)
    losses = module.loss(feats, torch.rand(2, 3, 5, 8, 8), make_samples(2, 0))
    logits = module.aux_head.fc_cls(feats.mean((2, 3, 4)))
    expected = F.cross_entropy(logits, torch.tensor([2, 0]))
    torch.testing.assert_close(losses['loss_cls'], expected)


def test_a_head_that_knows_no_videos_gets_a_label_for_each_frame():
    from mmengine.registry import DefaultScope

    module = LocalModule(
        Boundary('layer1', channels=4, stride=4),
        aux_neck=POOL,
        aux_head=dict(type='SupConHead'),
    )
    feats = torch.rand(6, 4, 2, 2)
    with DefaultScope.overwrite_default_scope('mmaction'):
        losses = module.loss(feats, torch.rand(6, 3, 8, 8), make_samples(2, 0))
    assert losses['loss_supcon'].isfinite()


@pytest.mark.parametrize(
    ('frame_stride', 'shape', 'head', 'expected'),
    [
        (1, (2, 4, 5, 2, 2), 'TSNHead', 'of clips .*TSNHead, whose Adaptive'),
        (None, (2, 4, 2, 2), 'I3DHead', 'of images.*I3DHead, whose Adaptive'),
    ],
)
def test_a_head_of_another_kind(frame_stride, shape, head, expected):
    boundary = Boundary('layer1', 4, 4, frame_stride=frame_stride)
    head = dict(type=f'mmaction.{head}', num_classes=3)
    module = LocalModule(boundary, aux_head=head)
    with pytest.raises(ValueError, match=expected):
        module.loss(
            torch.rand(shape), torch.rand(2, 3, 8, 8), make_samples(2, 0)
        )


def test_blocks_of_other_layouts_are_no_boundary():
    """VideoSwin's have the channels last."""
    from mmaction.models import SwinTransformer3D

    from localsup_mm import trace_backbone

    net = SwinTransformer3D('tiny', patch_size=(2, 4, 4), pretrained=None)
    expected = r'not as feature maps \(B, C, t, h, w\) of the clips'
    with pytest.raises(BoundaryError, match=expected):
        trace_backbone(net).partition(['layers.1.blocks.0'])


def test_without_mmaction(monkeypatch):
    find = installed.find_spec
    monkeypatch.setattr(
        installed,
        'find_spec',
        lambda name, *a: None if name == 'mmaction' else find(name, *a),
    )
    with pytest.raises(
        ImportError, match=r'mmaction is not\. Run: pip install otxmmaction2'
    ):
        read_config(SLOWONLY)


BROKEN = """
from .localizers import *
"""


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """The configs of mmaction2, whose models cannot be imported."""
    import mmaction

    package = tmp_path / 'mmaction'
    (package / 'models').mkdir(parents=True)
    (package / '__init__.py').touch()
    (package / 'models' / '__init__.py').write_text(BROKEN)
    (package / '.mim').symlink_to(f'{mmaction.__path__[0]}/.mim')
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [n for n in sys.modules if n.split('.')[0] == 'mmaction']:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [n for n in sys.modules if n.split('.')[0] == 'mmaction']:
        del sys.modules[name]


def test_broken_mmaction(broken):
    """As of the wheel of mmaction2 1.2.0, which lacks a folder."""
    with pytest.raises(
        ImportError,
        match=r"No module named 'mmaction\.models\.localizers'\. If files of "
        'it are missing, reinstall it. Run: pip install otxmmaction2',
    ):
        run_localsup('plan', SLOWONLY, '--lowest')
