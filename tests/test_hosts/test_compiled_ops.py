"""Compiled ops of mmcv on fake tensors and in bfloat16."""

import pytest
import torch
from mmcv import _ext
from mmcv.ops import (
    DeformConv2dPack,
    ModulatedDeformConv2dPack,
    nms,
    roi_align,
)
from torch import nn

from localsup_mm.hosts import adapted_compiled_ops
from localsup_mm.tracing import trace_backbone

BOXES = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7], [8, 8, 16, 16]])


@pytest.mark.parametrize('conv', [DeformConv2dPack, ModulatedDeformConv2dPack])
def test_deformable_convs_are_traced(conv):
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1),
        nn.ReLU(),
        conv(4, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 4, 1),
    )
    trace = trace_backbone(net, (32, 64))
    assert trace.boundaries['3'].channels == 8
    assert trace.boundaries['3'].stride == 4
    first, last = trace.partition(['3']).parameters
    assert {'0.weight', '2.weight', '2.conv_offset.weight'} < set(first)
    assert set(last) == {'4.weight', '4.bias'}


def test_nms_in_bfloat16():
    scores = torch.tensor([0.5, 1.0, 0.75])
    with adapted_compiled_ops():
        _, kept = nms(BOXES, scores.bfloat16(), 0.5)
    assert kept.tolist() == nms(BOXES, scores, 0.5)[1].tolist() == [1, 2]


def test_roi_align_in_bfloat16():
    rois = torch.cat([torch.zeros(3, 1), BOXES], 1)
    conv = nn.Conv2d(3, 4, 1)
    image = torch.rand(1, 3, 16, 16)
    with adapted_compiled_ops(), torch.autocast('cpu', torch.bfloat16):
        feats = conv(image)  # saved by the product below
        found = roi_align(feats * feats, rois.type_as(feats), 2)
        found.float().sum().backward()
    gradient, conv.weight.grad = conv.weight.grad, None
    expected = roi_align(conv(image) ** 2, rois, 2)
    expected.sum().backward()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)
    torch.testing.assert_close(
        gradient, conv.weight.grad, rtol=0.05, atol=0.05
    )


def test_ops_come_back():
    before = dict(vars(_ext))
    with pytest.raises(ZeroDivisionError), adapted_compiled_ops():
        assert _ext.nms is not before['nms']
        raise ZeroDivisionError
    assert vars(_ext) == before
