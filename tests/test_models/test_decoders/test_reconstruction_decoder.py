"""The decoder's size, loss and bad input."""

import math
from types import SimpleNamespace

import mmcv.cnn  # noqa: F401 - registers norm layers
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from localsup_mm.models import ReconstructionDecoder

PLAIN = dict(mean=[0.0] * 3, std=[255.0] * 3)


@pytest.mark.parametrize(
    ('in_channels', 'channels', 'expected'),
    [
        # parameter counts of the authors' nets: CIFAR, ImageNet, Cityscapes
        (16, (12,), 2091),
        (32, (12,), 3819),
        (64, (12,), 7275),
        (512, (128, 32, 12), 106699),
        (1024, (128, 32, 12), 172235),
    ],
)
def test_published_sizes(in_channels, channels, expected):
    decoder = ReconstructionDecoder(in_channels, channels, **PLAIN)
    assert sum(p.numel() for p in decoder.parameters()) == expected


def test_loss_is_mean_bce_of_the_restored_image():
    decoder = ReconstructionDecoder(
        4, mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0], loss_weight=3.0
    )
    feats, inputs = torch.rand(2, 4, 8, 8), torch.randn(2, 3, 16, 24)
    found = decoder.loss((feats,), inputs)['loss_recon'].item()
    image = inputs * torch.tensor([50.0, 60.0, 70.0]).view(3, 1, 1)
    image = (image + torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1)) / 255
    target = image.clamp(0, 1)
    p = decoder.reconstruct((feats,), inputs.shape[-2:]).clamp(1e-7, 1 - 1e-7)
    expected = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    assert math.isclose(found, 3 * expected.item(), rel_tol=1e-5)


@pytest.mark.parametrize('channels', [(6,), (8, 6)])
@pytest.mark.parametrize(
    ('strides', 'size'),
    [
        ({}, (8, 16, 24)),
        (dict(target_stride=4, frame_stride=2), (4, 4, 6)),
        (dict(target_stride='feature', frame_stride='feature'), (2, 3, 5)),
    ],
)
def test_target_of_a_clip_is_the_mean_over_times_and_areas(
    strides, size, channels
):
    decoder = ReconstructionDecoder(
        4, channels, num_dims=3, **strides, **PLAIN
    )
    feats, clips = (torch.rand(2, 4, 2, 3, 5),), torch.rand(2, 3, 8, 16, 24)
    logits = decoder(feats, clips.shape[2:])
    assert logits.shape == (2, 3, *size)
    target = F.adaptive_avg_pool3d(clips, size)
    p = logits.sigmoid()
    expected = -(target * p.log() + (1 - target) * (1 - p).log()).mean()
    found = decoder.loss(feats, clips)['loss_recon']
    # of float32 sums in another order
    assert math.isclose(found.item(), expected.item(), rel_tol=1e-5)
    rebuilt = decoder.reconstruct(feats, clips.shape[2:])
    assert rebuilt.shape == clips.shape


def test_a_still_clip_is_rebuilt_like_its_image():
    """The kernels' middle alone: nothing is different but the time."""
    image = ReconstructionDecoder(4, (8, 6), **PLAIN).eval()
    clip = ReconstructionDecoder(4, (8, 6), num_dims=3, **PLAIN).eval()
    with torch.no_grad():
        for a, b in zip(clip.parameters(), image.parameters(), strict=True):
            a.zero_()
            middle = a[:, :, a.shape[2] // 2] if a.dim() == 5 else a
            middle.copy_(b)
    feats, inputs = torch.rand(2, 4, 3, 5), torch.rand(2, 3, 16, 24)
    expected = image((feats,), inputs.shape[2:])
    still = feats[:, :, None].expand(-1, -1, 4, -1, -1)
    found = clip((still,), torch.Size((4, 16, 24)))
    # the convs of both kinds round in another order
    torch.testing.assert_close(
        found, expected[:, :, None].expand_as(found), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('size', [(16, 16), (97, 33), (5, 5)])
@pytest.mark.parametrize('channels', [(12,), (16, 12), (16, 8, 12)])
def test_any_image_size(channels, size):
    decoder = ReconstructionDecoder(4, channels, **PLAIN)
    out = decoder((torch.rand(1, 4, 3, 2),), torch.Size(size))
    assert out.shape == (1, 3, *size)


@pytest.mark.parametrize('channels', [(12,), (16, 8)])
@pytest.mark.parametrize(
    ('stride', 'size'), [(1, (16, 24)), (4, (4, 6)), ('feature', (8, 12))]
)
def test_target_is_the_mean_over_areas(stride, size, channels):
    decoder = ReconstructionDecoder(
        4,
        channels,
        mean=[10.0, 20.0, 30.0],
        std=[50.0, 60.0, 70.0],
        target_stride=stride,
    )
    feats, inputs = torch.rand(2, 4, 8, 12), torch.rand(2, 3, 16, 24)
    logits = decoder((feats,), inputs.shape[-2:])
    assert logits.shape == (2, 3, *size)
    target = F.interpolate(decoder.restore(inputs), size=size, mode='area')
    expected = F.binary_cross_entropy_with_logits(logits, target)
    found = decoder.loss((feats,), inputs)['loss_recon']
    torch.testing.assert_close(found, expected)


def test_reconstruction_of_a_smaller_target_is_as_large_as_the_image():
    decoder = ReconstructionDecoder(4, target_stride=4, **PLAIN)
    image = decoder.reconstruct((torch.rand(2, 4, 4, 6),), (16, 24))
    assert image.shape == (2, 3, 16, 24)
    assert image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize('size', [(17, 23), (3, 5)])
def test_target_of_any_image_size(size):
    decoder = ReconstructionDecoder(4, target_stride=4, **PLAIN)
    losses = decoder.loss((torch.rand(1, 4, 3, 2),), torch.rand(1, 3, *size))
    assert losses['loss_recon'].isfinite()


@pytest.mark.parametrize('stride', [0, 0.5, 'image'])
def test_unknown_target_stride(stride):
    with pytest.raises(ValueError, match=f'`target_stride`.*{stride!r}'):
        ReconstructionDecoder(4, target_stride=stride)


def test_single_image_of_one_pixel_features():
    decoder = ReconstructionDecoder(4, **PLAIN)
    assert decoder.loss((torch.rand(1, 4, 1, 1),), torch.rand(1, 3, 8, 8))[
        'loss_recon'
    ].isfinite()


def test_loss_under_autocast_is_finite_and_float32():
    decoder = ReconstructionDecoder(4, **PLAIN)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = decoder.loss((torch.rand(2, 4, 4, 4),), torch.rand(2, 3, 8, 8))[
            'loss_recon'
        ]
    assert loss.dtype == torch.float32


def test_mean_and_std_are_no_part_of_a_checkpoint():
    decoder = ReconstructionDecoder(4, **PLAIN)
    assert not {'mean', 'std'} & decoder.state_dict().keys()


def test_norm_cfg():
    decoder = ReconstructionDecoder(
        4, norm_cfg=dict(type='SyncBN', requires_grad=False), **PLAIN
    )
    norm = decoder.hidden[0][1]
    assert isinstance(norm, nn.SyncBatchNorm)
    assert not norm.weight.requires_grad


def test_unknown_normalization():
    decoder = ReconstructionDecoder(4)
    with pytest.raises(RuntimeError, match='but got None'):
        decoder.loss((torch.rand(2, 4, 4, 4),), torch.rand(2, 3, 8, 8))


def test_no_hidden_conv():
    with pytest.raises(ValueError, match=r'`channels`.*\(\)'):
        ReconstructionDecoder(4, ())


def test_mean_without_std():
    with pytest.raises(ValueError, match=r'\[1\.0\] and None'):
        ReconstructionDecoder(4, mean=[1.0])


def test_padding_does_not_count_if_so_asked():
    decoder = ReconstructionDecoder(
        4, mean=[0.0] * 3, std=[1.0] * 3, ignore_padding=True
    ).eval()
    feats, inputs = (torch.rand(2, 4, 4, 4),), 255 * torch.rand(2, 3, 8, 8)
    image = inputs / 255
    samples = [
        SimpleNamespace(img_shape=(8, 8)),
        SimpleNamespace(img_shape=(5, 6)),
    ]
    found = decoder.loss(feats, inputs, samples)['loss_recon']
    logits = decoder(feats, (8, 8))
    parts = [
        F.binary_cross_entropy_with_logits(
            logits[i, :, :h, :w], image[i, :, :h, :w], reduction='sum'
        )
        for i, (h, w) in enumerate(s.img_shape for s in samples)
    ]
    torch.testing.assert_close(found, sum(parts) / (3 * (64 + 30)))
    whole = [SimpleNamespace(img_shape=(8, 8))] * 2
    torch.testing.assert_close(
        decoder.loss(feats, inputs, whole)['loss_recon'],
        F.binary_cross_entropy_with_logits(logits, image),
    )
