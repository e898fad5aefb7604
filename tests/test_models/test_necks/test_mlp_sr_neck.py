"""DGL's aux net: sizes from the paper's description."""

import pytest
import torch

from localsup_mm.models import MLPSRNeck


@pytest.mark.parametrize('channels', [16, 64])
def test_layers(channels):
    neck = MLPSRNeck(channels)
    width = 4 * channels
    convs = 3 * (channels * channels + 2 * channels)
    fcs = 3 * (width * width + width + 2 * width)
    assert sum(p.numel() for p in neck.parameters()) == convs + fcs
    assert neck.out_channels == width


@pytest.mark.parametrize(
    ('size', 'quarter'), [((32, 32), (8, 8)), ((9, 6), (3, 2)), ((1, 1), 1)]
)
def test_spatial_reduction(size, quarter):
    neck = MLPSRNeck(16).eval()
    feats = torch.rand(2, 16, *size)
    reduced = torch.nn.AdaptiveAvgPool2d(quarter)(feats)
    for conv in neck.convs:
        reduced = conv(reduced)
    expected = torch.nn.AdaptiveAvgPool2d(2)(reduced).flatten(1)
    for fc in neck.fcs:
        expected = fc(expected)
    (out,) = neck((feats,))
    torch.testing.assert_close(out, expected)


def test_mlp_aux_has_no_convs():
    neck = MLPSRNeck(16, num_convs=0, num_fcs=2)
    assert len(neck.convs) == 0
    assert len(neck.fcs) == 2
