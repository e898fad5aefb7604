"""Ops give what their formula gives, where none is compiled for a CPU."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from mmcv.ops.sync_bn import SyncBatchNormFunction
from torch import nn


@pytest.fixture(autouse=True)
def _stand_in(use_stand_in):
    use_stand_in()


def compare(function, formula, inputs):
    """Compare outputs and the gradients of a weighted sum of them."""
    results = []
    for run in (function, formula):
        output = run(*inputs)
        weight = torch.linspace(0.5, 1.5, output.numel(), dtype=output.dtype)
        total = (output * weight.view_as(output)).sum()
        results.append([output, *torch.autograd.grad(total, inputs)])
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
def test_sigmoid_focal_loss(weighted, reduction):
    logits = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 2, 1, 2, 0 if weighted else 3])
    weight = torch.rand(3, dtype=torch.float64) if weighted else None

    def formula(logits):
        p = logits.sigmoid()
        is_target = F.one_hot(target, 4)[:, :3].bool()
        loss = torch.where(
            is_target,
            -0.3 * (1 - p) ** 1.5 * p.log(),
            -0.7 * p**1.5 * (1 - p).log(),
        )
        if weighted:
            loss = loss * weight[target, None]
        total = {'none': loss, 'sum': loss.sum(), 'mean': loss.sum() / 5}
        return total[reduction]

    compare(
        lambda x: ops.sigmoid_focal_loss(
            x, target, 1.5, 0.3, weight, reduction
        ),
        formula,
        [logits],
    )


@pytest.mark.parametrize('weighted', [False, True])
def test_softmax_focal_loss(weighted):
    logits = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 2, -1, 1])
    weight = torch.rand(3, dtype=torch.float64) if weighted else None

    def formula(logits):
        p = logits.softmax(1)[torch.arange(4), target]
        loss = -0.3 * (1 - p) ** 1.5 * p.log()
        if weighted:
            loss = loss * weight[target]
        return loss * (target >= 0)

    compare(
        lambda x: ops.softmax_focal_loss(x, target, 1.5, 0.3, weight, 'sum'),
        lambda x: formula(x).sum(),
        [logits],
    )


def test_multi_scale_deformable_attention():
    shapes = torch.tensor([[4, 5], [2, 3]])
    inputs = [
        torch.randn(2, 26, 3, 4, dtype=torch.float64),
        torch.rand(2, 6, 3, 2, 2, 2, dtype=torch.float64),
        torch.rand(2, 6, 3, 2, 2, dtype=torch.float64),
    ]
    compare(
        lambda value, places, weights: MultiScaleDeformableAttnFunction.apply(
            value, shapes, torch.tensor([0, 20]), places, weights, 64
        ),
        lambda value, places, weights: multi_scale_deformable_attn_pytorch(
            value, shapes, places, weights
        ),
        [x.requires_grad_() for x in inputs],
    )


@pytest.mark.parametrize('kernel, padding', [(3, 1), ((1, 5), (0, 2))])
def test_masked_conv(kernel, padding):
    conv = ops.MaskedConv2d(3, 4, kernel, padding=padding)
    feats, mask = torch.randn(1, 3, 6, 7), torch.rand(1, 6, 7) > 0.6
    with torch.no_grad():
        found = conv(feats, mask)
        torch.testing.assert_close(found, conv(feats) * mask)


@pytest.mark.parametrize('groups', [1, 2])
@pytest.mark.parametrize('scale', [1, 2])
def test_carafe(groups, scale):
    feats = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    masks = torch.randn(
        *(2, groups * 9, 3 * scale, 5 * scale),
        dtype=torch.float64,
        requires_grad=True,
    )

    def formula(feats, masks):
        near = F.unfold(feats, 3, padding=1).view(2, 4 * 9, 3, 5)
        near = F.interpolate(near, scale_factor=scale)
        near = near.view(2, groups, -1, 9, *masks.shape[2:])
        weights = masks.view(2, groups, 1, 9, *masks.shape[2:])
        return (near * weights).sum(3).flatten(1, 2)

    compare(
        lambda *tensors: ops.carafe(*tensors, 3, groups, scale),
        formula,
        [feats, masks],
    )
    with torch.no_grad():
        found = ops.carafe_naive(feats, masks, 3, groups, scale)
        torch.testing.assert_close(found, formula(feats, masks))


def test_sync_bn():
    """In one process it is batch normalization."""
    norm = nn.BatchNorm1d(3, momentum=0.3)
    nn.init.uniform_(norm.weight)
    nn.init.uniform_(norm.bias)
    mean, var = torch.zeros(3), torch.ones(3)
    compare(
        lambda x, weight, bias: SyncBatchNormFunction.apply(
            x, mean, var, weight, bias, 0.3, norm.eps, None, 1, 'default'
        ),
        lambda x, weight, bias: norm(x),
        [torch.randn(4, 3, 5, requires_grad=True), norm.weight, norm.bias],
    )
    torch.testing.assert_close(mean, norm.running_mean)
    torch.testing.assert_close(var, norm.running_var)


def test_deformable_conv_with_larger_offsets():
    """Of each image the first numbers count, as in mmcv's own kernels."""
    feats = torch.randn(2, 4, 3, 4, dtype=torch.float64)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64)
    offset = torch.randn(2, 18, 6, 8, dtype=torch.float64)
    mask = torch.rand(2, 9, 6, 8, dtype=torch.float64)

    def front(x):
        return x.flatten(1)[:, : x.shape[1] * 12].view(2, -1, 3, 4)

    compare(
        lambda x, offset, mask, weight: ops.modulated_deform_conv2d(
            x, offset, mask, weight, None, 1, 1
        ),
        lambda x, offset, mask, weight: torchvision.ops.deform_conv2d(
            x, front(offset), weight, None, 1, 1, mask=front(mask)
        ),
        [x.requires_grad_() for x in (feats, offset, mask, weight)],
    )
