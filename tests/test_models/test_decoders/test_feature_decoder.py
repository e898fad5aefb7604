"""The decoder of what entered a local module."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from localsup_mm.models import FeatureDecoder, ReconstructionDecoder

PLAIN = dict(mean=[0.0] * 3, std=[255.0] * 3)


def test_loss_is_mse_of_features_normalized_at_each_place():
    decoder = FeatureDecoder(4, source_channels=5, loss_weight=3.0)
    feats, inputs = torch.rand(2, 4, 4, 6), torch.rand(2, 3, 32, 48)
    source = torch.randn(2, 5, 8, 12)
    found = decoder.loss((feats,), inputs, source=source)
    rebuilt = decoder.rebuild((feats,), source.shape[-2:])
    mean = source.mean(1, keepdim=True)
    var = ((source - mean) ** 2).mean(1, keepdim=True)
    target = (source - mean) / (var + 1e-5).sqrt()
    expected = 3 * ((rebuilt - target) ** 2).mean()
    torch.testing.assert_close(found, dict(loss_recon=expected))
    # neither their scale nor an offset of all channels matters
    other = decoder.loss((feats,), inputs, source=100 * source + 7)
    torch.testing.assert_close(other, found, rtol=1e-4, atol=0.0)


def test_who_knows_nothing_has_a_loss_of_one():
    decoder = FeatureDecoder(4, source_channels=64)
    for parameter in decoder.last.parameters():
        torch.nn.init.zeros_(parameter)
    feats, inputs = torch.rand(2, 4, 4, 4), torch.rand(2, 3, 32, 32)
    source = 1e3 * torch.randn(2, 64, 4, 4)
    loss = decoder.loss((feats,), inputs, source=source)['loss_recon']
    assert loss.item() == pytest.approx(1.0, abs=1e-4)


def test_the_image_is_what_enters_the_first_local_module():
    decoder = FeatureDecoder(4, channels=(6,), target_stride=4, **PLAIN)
    image = ReconstructionDecoder(4, channels=(6,), target_stride=4, **PLAIN)
    image.load_state_dict(decoder.state_dict())
    assert not decoder.rebuilds_source
    feats, inputs = (torch.rand(2, 4, 4, 4),), torch.rand(2, 3, 32, 32)
    assert decoder.loss(feats, inputs) == image.loss(feats, inputs)


@pytest.mark.parametrize(
    ('stride', 'expected'),
    # of an image of 32 x 48, features of stride 4 that enter, 8 that leave
    [(1, (8, 12)), (4, (8, 12)), (8, (4, 6)), ('feature', (4, 6))],
)
def test_target_is_no_finer_than_the_features(stride, expected, monkeypatch):
    decoder = FeatureDecoder(4, source_channels=5, target_stride=stride)
    sizes = []
    rebuild = decoder.rebuild
    monkeypatch.setattr(
        decoder,
        'rebuild',
        lambda f, size: sizes.append(size) or rebuild(f, size),
    )
    decoder.loss(
        (torch.rand(2, 4, 4, 6),),
        torch.rand(2, 3, 32, 48),
        source=torch.rand(2, 5, 8, 12),
    )
    assert sizes == [expected]


def test_padding_may_be_left_out():
    decoder = FeatureDecoder(4, source_channels=5, ignore_padding=True)
    feats, inputs = torch.rand(2, 4, 4, 4), torch.rand(2, 3, 32, 32)
    source = torch.randn(2, 5, 8, 8)
    samples = [
        SimpleNamespace(img_shape=(32, 16)),
        SimpleNamespace(img_shape=(32, 32)),
    ]
    found = decoder.loss((feats,), inputs, samples, source)['loss_recon']
    target = F.layer_norm(source.movedim(1, -1), (5,)).movedim(-1, 1)
    error = (decoder.rebuild((feats,), source.shape[-2:]) - target) ** 2
    kept = torch.cat([error[0, :, :, :4].flatten(), error[1].flatten()])
    torch.testing.assert_close(found, kept.mean())
