"""Aux heads of the published shapes, counted against the authors' code."""

import pytest
import torch

from localsup_mm.models import ConvPool, SupConHead


def count(*modules):
    return sum(p.numel() for m in modules for p in m.parameters())


@pytest.mark.parametrize(
    ('in_channels', 'expected'), [(16, 25_408), (32, 43_392), (64, 61_824)]
)
def test_1c2f_contrast_has_the_authors_size(in_channels, expected):
    neck = ConvPool(in_channels, num_convs=1, fc_channels=(128,))
    assert count(neck, SupConHead(neck.out_channels)) == expected


@pytest.mark.parametrize(
    ('num_convs', 'fc_channels', 'expected'),
    [
        # C = 16, out = 10: written out from infopro's table of layers
        (0, (), 16 * 10 + 10),
        (0, (128,), (16 * 128 + 128) + (128 * 10 + 10)),
        (1, (), (16 * 32 * 9 + 64) + (32 * 10 + 10)),
        (
            1,
            (128, 128),
            (16 * 32 * 9 + 64)
            + (32 * 128 + 128)
            + (128 * 128 + 128)
            + (128 * 10 + 10),
        ),
        (
            2,
            (128,),
            (16 * 32 * 9 + 64)
            + (32 * 32 * 9 + 64)
            + (32 * 128 + 128)
            + (128 * 10 + 10),
        ),
    ],
    ids=['0c1f', '0c2f', '1c1f', '1c3f', '2c2f'],
)
def test_convs_and_fcs_are_numbers(num_convs, fc_channels, expected):
    neck = ConvPool(16, num_convs=num_convs, fc_channels=fc_channels)
    head = torch.nn.Linear(neck.out_channels, 10)
    assert count(neck, head) == expected


@pytest.mark.parametrize(
    ('in_channels', 'width', 'size'), [(16, 32, 4), (32, 64, 4), (64, 64, 8)]
)
def test_first_conv_follows_the_authors_rule(in_channels, width, size):
    neck = ConvPool(in_channels)
    out = neck.convs(torch.rand(2, in_channels, 8, 8))
    assert out.shape == (2, width, size, size)
    assert neck.out_channels == width
    assert ConvPool(in_channels, widen=2).out_channels == 2 * width


def test_imagenet_head_has_the_authors_size():
    neck = ConvPool(
        512,
        num_convs=4,
        channels=(128, 256, 512, 2048),
        kernel_sizes=(1, 3, 3, 1),
        strides=(1, 2, 2, 1),
    )
    assert count(neck, torch.nn.Linear(2048, 1000)) == 4_643_560
    assert neck.convs(torch.rand(1, 512, 28, 28)).shape == (1, 2048, 7, 7)


def test_no_conv_is_global_average_pooling():
    feats = torch.rand(2, 16, 5, 7)
    (out,) = ConvPool(16, num_convs=0)((feats,))
    torch.testing.assert_close(out, feats.flatten(2).mean(2))


def test_one_value_for_each_conv():
    with pytest.raises(ValueError, match=r'`strides` .* 2 convs.*\(1,\)'):
        ConvPool(16, num_convs=2, strides=(1,))
