"""Where a backbone can be cut, and what is said where it cannot."""

import pytest
import torch
from cases import CASES
from mmengine.registry import MODELS
from torch import nn

from localsup_mm import supervise_locally, trace_backbone
from localsup_mm.errors import BoundaryError, InputSizeError

RESNET = dict(
    type='mmseg.ResNetV1c', depth=18, stem_channels=8, base_channels=8
)
SWIN = dict(
    type='mmseg.SwinTransformer',
    embed_dims=12,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 3, 4),
)


def partition(cfg, *names):
    return trace_backbone(MODELS.build(cfg)).partition(names)


def test_boundaries_have_channels_and_stride():
    found = trace_backbone(MODELS.build(RESNET)).boundaries
    assert (found['layer1.1'].channels, found['layer1.1'].stride) == (8, 4)
    assert (found['layer4.0'].channels, found['layer4.0'].stride) == (64, 32)
    # an in-place add behind it joins two paths: no cut
    assert 'layer1.0.bn2' not in found
    # it runs twice in a forward pass
    assert 'layer1.0.relu' not in found


def test_boundaries_of_clips_have_a_rate():
    """Of the clip's size, and of any number of frames that it is traced at."""
    backbone = MODELS.build(CASES['clip'].backbone)
    for size in (None, (64, 64), (8, 32, 48)):
        found = trace_backbone(backbone, size).boundaries
        assert [
            (name, found[name].stride, found[name].frame_stride)
            for name in ('conv1', 'conv2', 'conv3')
        ] == [('conv1', 4, 1), ('conv2', 8, 2), ('conv3', 8, 4)]
        assert found['conv2'].num_dims == 3
        assert found['conv2'].image_channels == 3


class ClipTokens(nn.Module):
    """Patches of a clip as tokens, and the blocks behind them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (2, 16, 16), (2, 16, 16))
        self.block = nn.Linear(8, 8)
        self.last = nn.Linear(8, 8)

    def forward(self, x):
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        return self.last(self.block(tokens))


def test_tokens_of_clips_are_no_boundary():
    trace = trace_backbone(ClipTokens())
    assert list(trace.boundaries) == ['conv']
    expected = r'not as feature maps \(B, C, t, h, w\) of the clips'
    with pytest.raises(BoundaryError, match=expected):
        trace.partition(['block'])


class Shift(nn.Module):
    """It moves features between the 8 frames of a video, as TSM does."""

    num_segments = 8

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv1(x)
        frames = x.view(-1, self.num_segments, *x.shape[1:])
        return self.conv2(frames.roll(1, 1).flatten(0, 1))


def test_frames_of_a_video_are_traced_together():
    assert trace_backbone(Shift()).boundaries['conv1'].stride == 4


def test_tokens_know_their_grid():
    found = trace_backbone(MODELS.build(SWIN)).boundaries
    boundary = found['stages.1.blocks.1']
    assert (boundary.stride, boundary.num_extra_tokens) == (8, 0)
    tokens = torch.arange(12.0).reshape(1, 6, 2)
    feats = boundary.to_feature_map(tokens, torch.empty(1, 3, 16, 24))
    assert feats.tolist() == [
        [[[0, 2, 4], [6, 8, 10]], [[1, 3, 5], [7, 9, 11]]]
    ]
    with pytest.raises(ValueError, match=r'2 x 4 tokens.*but got 6'):
        boundary.to_feature_map(tokens, torch.empty(1, 3, 16, 32))


def test_class_token_is_left_out():
    vit = MODELS.build(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=16,
                num_layers=2,
                num_heads=2,
                feedforward_channels=16,
            ),
            img_size=64,
        )
    )
    boundary = trace_backbone(vit).boundaries['layers.0']
    assert (boundary.stride, boundary.num_extra_tokens) == (16, 1)


def test_trace_changes_nothing():
    backbone = MODELS.build(RESNET)
    backbone.eval()
    before = {n: t.clone() for n, t in backbone.state_dict().items()}
    state = torch.get_rng_state()
    trace_backbone(backbone)
    assert torch.equal(torch.get_rng_state(), state)
    assert not backbone.training
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not any(m._forward_hooks for m in backbone.modules())


def test_parameters_of_each_local_module():
    names = partition(RESNET, 'layer1.1', 'layer3.0').parameters
    assert all(n.startswith(('stem', 'layer1')) for n in names[0])
    assert all(n.startswith(('layer2', 'layer3.0')) for n in names[1])
    backbone = MODELS.build(RESNET)
    assert sorted(sum(names, ())) == sorted(
        n for n, _ in backbone.named_parameters()
    )


def test_checkpointed_blocks_are_seen():
    cfg = dict(RESNET, with_cp=True)
    names = partition(cfg, 'layer1.1').parameters
    assert 'layer1.0.conv1.weight' in names[0]


def test_unknown_boundary_names_the_closest():
    with pytest.raises(ValueError, match=r"'layer5\.0'.*'layer4\.0'"):
        partition(RESNET, 'layer5.0')


def test_boundary_that_is_no_cut():
    with pytest.raises(ValueError, match=r"'layer1\.0\.bn2'.*path leads aro"):
        partition(RESNET, 'layer1.0.bn2')


class Permuted(nn.Module):
    """A conv, in another layout on its way out."""

    def __init__(self, permute, restore):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.permute, self.restore = permute, restore
        self.inner = nn.Identity()
        self.last = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        x = self.inner(self.permute(self.conv(x)))
        return self.last(self.restore(x))


@pytest.mark.parametrize(
    ('permute', 'restore', 'shape'),
    [
        (
            lambda x: x.permute(0, 2, 3, 1),
            lambda x: x.permute(0, 3, 1, 2),
            r'\(2, 32, 32, 8\)',
        ),
        (
            lambda x: x.transpose(0, 1),
            lambda x: x.transpose(0, 1),
            r'\(8, 2, 32, 32\)',
        ),
    ],
    ids=['channels_last', 'batch_second'],
)
def test_boundary_in_another_layout(permute, restore, shape):
    trace = trace_backbone(Permuted(permute, restore), (32, 32))
    assert list(trace.boundaries) == ['conv', 'last']
    with pytest.raises(ValueError, match=rf"'inner'.*{shape}.*\(B, C, h, w"):
        trace.partition(['inner'])


def test_boundary_that_runs_twice():
    with pytest.raises(ValueError, match=r"'layer1\.0\.relu'.*2 times"):
        partition(RESNET, 'layer1.0.relu')


def test_boundary_without_a_single_tensor():
    with pytest.raises(
        BoundaryError, match=r"'stages\.0'.*'stages\.0\.blocks\.1'"
    ):
        partition(SWIN, 'stages.0')


def test_boundary_in_a_frozen_stage():
    cfg = dict(RESNET, frozen_stages=2)
    with pytest.raises(ValueError, match=r"'layer1\.1'.*frozen"):
        partition(cfg, 'layer1.1')


@pytest.mark.parametrize(
    'names', [('layer2.0', 'layer1.1'), ('layer2.0', 'layer2.0')]
)
def test_boundaries_out_of_order(names):
    with pytest.raises(ValueError, match=f"'{names[1]}' after '{names[0]}'"):
        partition(RESNET, *names)


class Mixed(nn.Module):
    """Its first output adds a trained parameter outside any module."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        x = self.conv1(x)
        return x * self.scale, self.conv3(self.conv2(x))


def test_output_that_cannot_be_separated():
    with pytest.raises(ValueError, match='output 0 of Mixed'):
        trace_backbone(Mixed()).partition(['conv2'])


def test_supervised_twice():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    supervise_locally(net, [dict(boundary='0', decoder={})])
    with pytest.raises(ValueError, match='Sequential that is locally superv'):
        supervise_locally(net, [])


@pytest.mark.parametrize('bad', ['layer1', {}, dict(boundary=3)])
def test_local_module_without_boundary(bad):
    with pytest.raises(TypeError, match='boundary'):
        supervise_locally(nn.Conv2d(3, 4, 3), [bad])


@pytest.mark.parametrize('bad', [None, 3, 'layer1.0', dict(boundary='0')])
def test_local_modules_that_are_no_list(bad):
    with pytest.raises(TypeError, match='`local_modules` should be a list'):
        supervise_locally(nn.Conv2d(3, 4, 3), bad)


def test_partition_says_what_reaches_a_neck():
    case = CASES['mask_rcnn_swin']
    trace = trace_backbone(MODELS.build(case.backbone))
    lines = trace.partition(case.boundaries).describe().splitlines()
    assert lines[0].startswith(
        'local_0 ends at stages.0.blocks.1 (12 channels, stride 4)'
    )
    assert lines[-1] == (
        'outputs that reach the neck detached: 0, 1; learn from its loss '
        'with the last local module: norm0, norm1'
    )
    plain = trace.partition([])
    assert plain.describe() == ''


def test_a_batch_norm_may_be_replaced():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)
    )
    trace = trace_backbone(net)
    assert list(trace.boundaries) == ['0', '2', '3']
    with pytest.raises(ValueError, match=r"'1': it is a batch norm.*SyncBN"):
        trace.partition(['1'])


def test_pixels_folded_into_channels():
    """As YOLOX does: the first conv takes more channels than an image has."""
    net = nn.Sequential(
        nn.PixelUnshuffle(2), nn.Conv2d(12, 8, 3, 1, 1), nn.Conv2d(8, 8, 3)
    )
    boundary = trace_backbone(net).boundaries['1']
    assert (boundary.channels, boundary.stride) == (8, 2)
    message = r'`input_size` .* got \(224, 224\), .* RuntimeError: .*channels'
    with pytest.raises(InputSizeError, match=message):
        trace_backbone(nn.Sequential(nn.PixelUnshuffle(4), *net[1:]))
