"""The contrastive loss against its formula, written out."""

import math

import pytest
import torch
from mmpretrain.structures import DataSample

from localsup_mm.models import SupConHead, supcon_loss


def formula(features, labels, temperature):
    """One image after the other, as the paper has it."""
    total = 0.0
    for i, anchor in enumerate(features):
        others = [a for a in range(len(features)) if a != i]
        scores = [math.exp(anchor @ features[a] / temperature) for a in others]
        positives = [a for a in others if labels[a] == labels[i]]
        for p in positives:
            score = math.exp(anchor @ features[p] / temperature)
            total -= math.log(score / sum(scores)) / len(positives)
    return total / len(features)


@pytest.mark.parametrize('labels', [(0, 0, 1, 1, 2), (0, 0, 0, 1, 1)])
def test_formula(labels):
    features = torch.nn.functional.normalize(torch.randn(5, 8).double())
    loss = supcon_loss(features, torch.tensor(labels), 0.5)
    # the loss computes in float32
    assert loss.item() == pytest.approx(formula(features, labels, 0.5), 1e-5)


def test_mean_over_all_images_not_over_those_with_positives():
    # cosines chosen so that -log p = log(2 + exp(d / t)) = 2.087 for the
    # three images of one class; the fourth is alone and counts as 0
    gram = torch.full((4, 4), 0.5).fill_diagonal_(1.0)
    gram[3, :3] = gram[:3, 3] = 0.5 + 0.07 * math.log(math.exp(2.087) - 2)
    features = torch.linalg.cholesky(gram)
    loss = supcon_loss(features, torch.tensor([0, 0, 0, 1]))
    assert loss.item() == pytest.approx(1.565, abs=5e-4)


def test_all_labels_distinct_is_zero():
    features = torch.nn.functional.normalize(torch.randn(4, 8))
    assert supcon_loss(features, torch.arange(4)).item() == 0.0


def test_gradients_are_finite_and_pull_together():
    features = torch.randn(6, 8, requires_grad=True)
    unit = torch.nn.functional.normalize(features)
    supcon_loss(unit, torch.tensor([0, 0, 0, 1, 1, 1])).backward()
    assert features.grad.isfinite().all()
    moved = torch.nn.functional.normalize(features - 0.1 * features.grad)
    assert (moved[0] @ moved[1]) > (unit[0] @ unit[1])


def test_float32_under_autocast():
    features = torch.nn.functional.normalize(torch.randn(6, 8))
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    with torch.autocast('cpu', torch.bfloat16):
        loss = supcon_loss(features, labels)
    assert torch.equal(loss, supcon_loss(features, labels))


def test_batch_of_one():
    with pytest.raises(ValueError, match=r'at least 2.*batch of 1.*drop_last'):
        supcon_loss(torch.ones(1, 4), torch.tensor([0]))


def test_head_normalizes_and_weighs():
    head = SupConHead(16, feature_dim=8, loss_weight=2.0)
    feats = (torch.randn(4, 16),)
    samples = [DataSample().set_gt_label(i % 2) for i in range(4)]
    torch.testing.assert_close(head(feats).norm(dim=1), torch.ones(4))
    loss = head.loss(feats, samples)['loss_supcon']
    labels = torch.tensor([0, 1, 0, 1])
    torch.testing.assert_close(loss, 2 * supcon_loss(head(feats), labels))


def test_soft_labels():
    sample = DataSample().set_gt_label(1)
    sample.set_gt_score(torch.tensor([0.25, 0.75]))
    with pytest.raises(ValueError, match=r'hard labels.*0\.25.*batch_augm'):
        SupConHead(16).loss((torch.randn(1, 16),), [sample])


def test_temperature():
    with pytest.raises(ValueError, match='positive, but got 0'):
        SupConHead(16, temperature=0)
