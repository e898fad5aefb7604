"""Similarities and predictions against values worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from localsup_mm import LocalStep, lend_step, supervise_locally
from localsup_mm.models import PredSimHead, similarity_matching_loss

FLAT = torch.tensor([[1.0, 2, 3], [0, 1, 5], [3, 0, 0]])
# 2 images of 4 channels, 2 x 2
MAPS = torch.tensor(
    [
        [[0.0, 2, 0, 2], [1, 1, 1, 1], [0, 4, 0, 4], [3, 3, 3, 3]],
        [[1.0, 1, 1, 1], [0, 2, 0, 2], [2, 2, 2, 2], [0, 4, 4, 0]],
    ]
).unflatten(2, (2, 2))


def samples(*labels: int) -> list[DataSample]:
    return [DataSample().set_gt_label(label) for label in labels]


def identity_head(channels: int, **kwargs) -> PredSimHead:
    """A head whose conv hands its input on."""
    head = PredSimHead(channels, **kwargs)
    nn.init.dirac_(head.conv.weight)
    return head


def expected_loss(rows: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The same from the definition: correlations, also of one-hot labels."""
    targets = torch.corrcoef(F.one_hot(labels, num_classes).double())
    return (torch.corrcoef(rows.double()) - targets).square().mean()


@pytest.mark.parametrize(
    ('features', 'labels', 'num_classes', 'expected'),
    [
        (FLAT, [0, 0, 1], 3, 0.0357616),
        (FLAT, [0, 0, 1], 10, 0.1929709),
        (MAPS, [4, 4], 10, 1.652893),
        (MAPS, [4, 2], 10, 0.249974),
    ],
)
def test_worked_examples(features, labels, num_classes, expected):
    found = similarity_matching_loss(
        features, torch.tensor(labels), num_classes
    )
    # the expected values are rounded to 6 or 7 digits
    assert found.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('shape', [(6, 4), (6, 3, 4, 4), (6, 8, 1, 5)])
def test_rows_are_flat_features(shape):
    features, labels = torch.randn(shape), torch.tensor([0, 1, 1, 2, 0, 3])
    found = similarity_matching_loss(features, labels, 5)
    expected = expected_loss(features.flatten(1), labels, 5)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_rows_are_deviations_of_channels():
    features, labels = (
        torch.randn(6, 8, 3, 2),
        torch.tensor([0, 1, 1, 2, 0, 3]),
    )
    found = similarity_matching_loss(features, labels, 5)
    expected = expected_loss(features.flatten(2).std(2), labels, 5)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weighted_sum_of_both():
    head = identity_head(3, num_classes=3)
    losses = head.loss((FLAT,), samples(0, 0, 1))
    assert sum(losses.values()).item() == pytest.approx(0.0463901, abs=1e-7)


@pytest.mark.parametrize('beta', [0.0, 0.3, 1.0])
def test_beta_and_loss_weight(beta):
    head = identity_head(4, num_classes=10, beta=beta, loss_weight=2.0)
    losses = head.loss((MAPS,), samples(4, 2))
    found = {name: loss.item() for name, loss in losses.items()}
    assert found == pytest.approx(
        dict(
            loss_sim=2 * beta * 0.249974,
            loss_pred=2 * (1 - beta) * math.log(10),
        ),
        abs=2e-6,
    )


def test_prediction_starts_at_the_log_of_the_number_of_classes():
    head = PredSimHead(8, num_classes=7, beta=0.0)
    loss = head.loss((torch.randn(4, 8, 6, 6),), samples(0, 1, 2, 6))
    assert loss['loss_pred'].item() == pytest.approx(math.log(7), rel=1e-6)


@pytest.mark.parametrize(
    ('channels', 'size', 'kernel', 'out'),
    [
        # the authors' layers, with 2048 numbers
        (128, (32, 32), (8, 8), (4, 4)),
        (256, (16, 16), (8, 4), (2, 4)),
        (512, (8, 8), (4, 4), (2, 2)),
        (512, (16, 16), (8, 8), (2, 2)),
        # nothing to do
        (16, (8, 8), (1, 1), (8, 8)),
        # one row is not doubled
        (512, (1, 8), (1, 2), (1, 4)),
        # more channels than numbers
        (2049, (2, 2), (2, 2), (1, 1)),
    ],
)
def test_pooling(channels, size, kernel, out):
    x = torch.randn(1, channels, *size)
    found = PredSimHead(channels, num_classes=2).pool(x)
    expected = F.avg_pool2d(x, kernel)
    assert expected.shape[-2:] == out
    assert found.equal(expected.flatten(1))


@pytest.mark.parametrize('size', [(7, 7), (9, 5), (3, 30), (13, 1)])
def test_pooling_of_odd_sizes_keeps_to_the_limit(size):
    head = PredSimHead(8, num_classes=2, max_features=48)
    found = head.pool(torch.randn(2, 8, *size))
    assert found.shape[1] <= 48
    assert head((torch.randn(2, 8, *size),)).shape == (2, 2)


def test_columns_beyond_the_features_stay_zero():
    head = PredSimHead(4, num_classes=3, max_features=100)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    feats = (torch.randn(3, 4, 4, 4),)
    for _ in range(3):
        optimizer.zero_grad()
        sum(head.loss(feats, samples(0, 1, 2)).values()).backward()
        optimizer.step()
    assert (head.linear.weight[:, :64] != 0).all()
    assert not head.linear.weight[:, 64:].any()


@pytest.mark.parametrize('shape', [(3, 64), (3, 64, 4, 4), (3, 3, 4, 4)])
@pytest.mark.parametrize('value', [0.0, 0.1, 1e4])
def test_constant_features_have_finite_gradients(shape, value):
    features = torch.randn(shape)
    features[:2] = value
    features.requires_grad_()
    loss = similarity_matching_loss(features, torch.tensor([0, 0, 1]), 3)
    loss.backward()
    assert loss.isfinite()
    # a row of rounding errors, made a unit vector, would be near 1e7
    assert features.grad.abs().max() < 10


def test_single_image():
    head = PredSimHead(8, num_classes=3)
    losses = head.loss((torch.randn(1, 8, 4, 4),), samples(1))
    # an image is as similar to itself as its label is
    assert losses['loss_sim'].item() == pytest.approx(0, abs=1e-10)


def test_flat_features_meet_the_middle_of_the_conv():
    head = PredSimHead(5, num_classes=3, beta=1.0)
    feats = torch.randn(3, 5)
    rows = feats @ head.conv.weight[:, :, 1, 1].T
    found = head.loss((feats,), samples(0, 1, 1))['loss_sim'].item()
    expected = expected_loss(rows, torch.tensor([0, 1, 1]), 3).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_losses_under_autocast_are_float32():
    head = PredSimHead(8, num_classes=3)
    feats = torch.randn(4, 8, 4, 4)
    plain = head.loss((feats,), samples(0, 0, 1, 2))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss((feats,), samples(0, 0, 1, 2))
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        # only the conv is in bfloat16, with 8 bits
        torch.testing.assert_close(loss, plain[name], rtol=0.05, atol=0)


class Net(BaseModule):
    """Its init_cfg reaches each linear layer, aux nets included."""

    def __init__(self) -> None:
        super().__init__(dict(type='Normal', layer='Linear', std=1.0))
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


def make_net() -> nn.Module:
    head = dict(type='PredSimHead', num_classes=10, max_features=128)
    return supervise_locally(Net(), [dict(boundary='conv1', aux_head=head)])


def test_trains_a_local_module():
    net = make_net()
    head = net.local_supervision.local_modules[0].aux_head
    assert head.conv.in_channels == 8
    logged = {}

    def backward(module, losses):
        logged.update(losses)
        sum(losses.values()).backward()

    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    inputs, labels = torch.randn(6, 3, 8, 8), samples(0, 0, 1, 1, 2, 2)
    before = [p.clone() for p in net.parameters()]
    totals = []
    for _ in range(5):
        optimizer.zero_grad()
        with lend_step(net, LocalStep(backward, labels)):
            net(inputs).square().mean().backward()
        optimizer.step()
        totals.append(sum(logged.values()).item())
    assert logged.keys() == {'loss_sim', 'loss_pred'}
    assert totals[-1] < totals[0]
    for old, new in zip(before, net.parameters(), strict=True):
        assert not new.equal(old)


def test_linear_layer_is_zero_whatever_the_backbone_has_for_its_own():
    net = make_net()
    net.init_weights()
    head = net.local_supervision.local_modules[0].aux_head
    assert not head.linear.weight.any()
    assert not head.linear.bias.any()
    assert head.conv.weight.any()


def test_init_cfg():
    cfg = dict(type='Constant', layer='Linear', val=0.5)
    head = PredSimHead(8, num_classes=3, init_cfg=cfg)
    head.init_weights()
    assert (head.linear.weight == 0.5).all()


@pytest.mark.parametrize('beta', [-0.1, 1.5])
def test_beta_out_of_range(beta):
    with pytest.raises(ValueError, match=rf'`beta`.*but got {beta}'):
        PredSimHead(8, num_classes=3, beta=beta)


def test_one_class():
    with pytest.raises(ValueError, match=r'`num_classes`.*but got 1'):
        PredSimHead(8, num_classes=1)
    with pytest.raises(ValueError, match=r'`num_classes`.*but got 0'):
        similarity_matching_loss(FLAT, torch.tensor([0, 0, 0]), 0)


def test_soft_labels():
    head = PredSimHead(3, num_classes=3)
    mixed = samples(0, 0, 1)
    mixed[1].set_gt_score(torch.tensor([0.5, 0.5, 0.0]))
    with pytest.raises(
        ValueError, match=r'PredSimHead.*gt_score \[0\.5, 0\.5, 0\.0\]'
    ):
        head.loss((FLAT,), mixed)


def test_several_labels():
    head = PredSimHead(3, num_classes=3)
    several = samples(0, 0, 1)
    several[2].set_gt_label([0, 2])
    with pytest.raises(ValueError, match='but got 4 for 3 images'):
        head.loss((FLAT,), several)
