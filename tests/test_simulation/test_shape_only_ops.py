"""Ops that return zeros at once, and those that do not."""

from contextlib import ExitStack

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torchvision.ops import deform_conv2d

from localsup_mm.metering import LiveBytes
from localsup_mm.simulation.shape_only_ops import ShapeOnlyOps


def run(in_mode):
    """A head with a loss that reads values, its gradients and live bytes."""
    torch.manual_seed(0)
    head = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU())
    nn.init.ones_(head[1].bias)  # behind which gradients are not 0
    x = torch.zeros(2, 3, 8, 8, requires_grad=True)
    labels = torch.zeros(2, 16, 16, dtype=torch.long)
    live = LiveBytes(head)
    with ExitStack() as stack:
        if in_mode:
            stack.enter_context(ShapeOnlyOps())
        stack.enter_context(live)
        logits = F.interpolate(head(x), size=(16, 16), mode='bilinear')
        losses = F.cross_entropy(logits, labels, reduction='none')
        loss = losses[losses > losses.min() - 1].view(2, -1).sum()
        loss.backward()
    gradients = [p.grad for p in [x, *head.parameters()]]
    return loss, gradients, live.peak


def test_backward_has_shapes_and_bytes_but_no_values():
    loss, gradients, peak = run(in_mode=True)
    _, expected, real_peak = run(in_mode=False)
    assert loss > 0  # the forward pass is computed
    assert peak == real_peak
    for ours, theirs in zip(gradients, expected):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        assert not ours.any()
    assert any(gradient.any() for gradient in expected)


@pytest.mark.parametrize(
    'op',
    [
        lambda x: x.view(6),
        lambda x: x.expand(2, 3),
        lambda x: torch.ops.aten._unsafe_view(x, [6]),
        lambda x: x.add_(1),
        lambda x: x.unsqueeze_(0),
    ],
)
def test_what_shares_memory_still_does_in_a_backward(op):
    shared = []

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            gradient = gradient.clone()
            result = op(gradient)
            same = result.untyped_storage().data_ptr()
            shared.append(same == gradient.untyped_storage().data_ptr())
            return gradient

    x = torch.ones(2, 3, requires_grad=True)
    with ShapeOnlyOps():
        Probe.apply(x).sum().backward()
    assert shared == [True]


def test_values_are_read_in_a_forward_pass():
    with ShapeOnlyOps():
        x = torch.ones(4)
        assert (2 * x).sum().item() == 8
        assert F.linear(x[None], torch.ones(2, 4)).tolist() == [[0.0, 0.0]]


def test_values_are_read_where_a_forward_pass_runs_again():
    """A deformable attention checks its shapes in a tensor of them."""
    seen = []

    def scale(x):
        seen.append(torch.tensor([2, 3]).prod().item())
        return x * x * seen[-1]

    x = torch.ones(4, requires_grad=True)
    with ShapeOnlyOps():
        checkpoint(scale, x, use_reentrant=False).sum().backward()
    assert seen == [6, 6]
    assert not x.grad.any()


def test_cast_in_a_backward():
    """Under mixed precision it names the device that it casts for."""
    x = torch.ones(4, requires_grad=True)
    with ShapeOnlyOps():
        x.to(torch.bfloat16).sum().backward()
    assert (x.grad.shape, x.grad.dtype) == ((4,), torch.float32)


def test_values_in_a_backward_are_left_alone():
    class AddsTwo(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient.clone().add_(2)

    x = torch.ones(2**20, requires_grad=True)
    with ShapeOnlyOps(), LiveBytes() as live:
        AddsTwo.apply(x).sum().backward()
    assert x.grad.shape == x.shape
    assert not x.grad.any()
    assert live.current == 4 * 2**20


def test_deformable_convs_are_not_computed():
    x = torch.ones(1, 2, 4, 4)
    offset = torch.zeros(1, 18, 4, 4)
    with ShapeOnlyOps():
        y = deform_conv2d(x, offset, torch.ones(3, 2, 3, 3), padding=1)
    assert y.shape == (1, 3, 4, 4)
    assert not y.any()


def test_shapes_are_those_of_each_call():
    """They are found once for the same arguments."""
    x, weight = torch.ones(2, 3, 8, 8), torch.ones(4, 3, 3, 3)
    with ShapeOnlyOps():
        shapes = [
            tuple(F.conv2d(x, weight, stride=stride, padding=padding).shape)
            for stride, padding in [(1, 1), (2, 1), (1, 0), (1, 1)]
        ]
        half = F.conv2d(x.half(), weight.half(), padding=1)
        first, second = (F.linear(x, torch.ones(5, 8)) for _ in range(2))
    assert shapes == [(2, 4, n, n) for n in (8, 4, 6, 8)]
    assert half.dtype == torch.float16
    assert first.data_ptr() != second.data_ptr()
