"""ResNets of 6n + 2 layers, counted as published."""

import math

import pytest
import torch

from localsup_mm.models.backbones import CIFARResNet


@pytest.mark.parametrize(
    ('depth', 'parameters'), [(32, 466_906), (110, 1_730_714)]
)
def test_published_size(depth, parameters):
    net = CIFARResNet(depth)
    head = torch.nn.Linear(64, 10)
    assert (
        sum(p.numel() for m in (net, head) for p in m.parameters())
        == parameters
    )


@pytest.mark.parametrize('depth', [20, 32, 44, 56, 110])
def test_depth(depth):
    net = CIFARResNet(depth)
    convs = [
        m
        for name, m in net.named_modules()
        if isinstance(m, torch.nn.Conv2d) and 'downsample' not in name
    ]
    assert len(convs) + 1 == depth


def test_option_b_shortcuts_only_where_the_shape_changes():
    net = CIFARResNet(20)
    shortcuts = [
        name
        for name, m in net.named_modules()
        if name.endswith('downsample') and m is not None
    ]
    assert shortcuts == ['layer2.0.downsample', 'layer3.0.downsample']
    assert net.layer2[0].downsample[0].kernel_size == (1, 1)


def test_outputs():
    outs = CIFARResNet(20, out_indices=(0, 1, 2))(torch.rand(2, 3, 32, 32))
    assert [tuple(o.shape[1:]) for o in outs] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]


def test_initialization():
    net = CIFARResNet(110)
    net.init_weights()
    for conv in (net.conv1, net.layer1[3].conv1, net.layer3[3].conv2):
        expected = math.sqrt(2 / (9 * conv.out_channels))
        # 432 to 36,864 draws
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.1)
    assert net.layer3[3].bn2.weight.eq(1).all()


def test_frozen_stages():
    net = CIFARResNet(20, frozen_stages=1)
    net.train()
    assert not any(p.requires_grad for p in net.layer1.parameters())
    assert not net.layer1[0].bn1.training
    assert net.layer2[0].bn1.training


@pytest.mark.parametrize('depth', [2, 18, 34])
def test_other_depths(depth):
    with pytest.raises(ValueError, match=f'6n \\+ 2.*got {depth}'):
        CIFARResNet(depth)


def test_other_stages():
    with pytest.raises(ValueError, match=r'stages 0, 1 and 2.*\(3,\)'):
        CIFARResNet(20, out_indices=(3,))
