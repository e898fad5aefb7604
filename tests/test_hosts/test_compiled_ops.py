"""Ops of mmcv, compiled or not, on fake tensors and in bfloat16."""

import inspect
from functools import partial

import mmcv_torch_ops
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

from localsup_mm import LocalAmpOptimWrapper, LocalOptimWrapper
from localsup_mm.hosts import (
    adapted_compiled_ops,
    let_compiled_ops_take_bfloat16,
)
from localsup_mm.tracing import trace_backbone

BOXES = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7], [8, 8, 16, 16]])
SCORES = torch.tensor([0.5, 1.0, 0.75])
compiled = pytest.mark.skipif(
    not inspect.isbuiltin(_ext.nms), reason='mmcv is not compiled here'
)


@pytest.fixture(autouse=True)
def before():
    """The ops as mmcv brings them, and again behind each test."""
    found = dict(vars(_ext))
    plain = {
        name: op.args[0] if isinstance(op, partial) else op
        for name, op in found.items()
    }
    vars(_ext).update(plain)
    yield plain
    vars(_ext).update(found)


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
    with adapted_compiled_ops():
        _, kept = nms(BOXES, SCORES.bfloat16(), 0.5)
    assert kept.tolist() == nms(BOXES, SCORES, 0.5)[1].tolist() == [1, 2]


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


@compiled
def test_ops_come_back(before):
    with pytest.raises(ZeroDivisionError), adapted_compiled_ops():
        assert _ext.nms is not before['nms']
        raise ZeroDivisionError
    assert vars(_ext) == before


@compiled
def test_no_op_is_adapted_twice(before):
    let_compiled_ops_take_bfloat16()
    once = dict(vars(_ext))
    assert once['nms'].args == (before['nms'],)
    let_compiled_ops_take_bfloat16()
    assert vars(_ext) == once
    with adapted_compiled_ops():
        assert vars(_ext) == once
    assert vars(_ext) == once
    _, kept = nms(BOXES, SCORES.bfloat16(), 0.5)
    assert kept.tolist() == [1, 2]


def test_other_dtypes_are_not_copied(monkeypatch):
    """The op gets the tensors of its caller themselves."""
    given = []
    monkeypatch.setattr(_ext, 'nms', given.append)
    let_compiled_ops_take_bfloat16()
    for dtype, is_same in (
        (torch.float16, True),
        (torch.float64, True),
        (torch.bfloat16, False),
    ):
        scores = SCORES.to(dtype)
        _ext.nms([BOXES, scores])
        boxes, found = given.pop()
        assert boxes is BOXES
        assert (found is scores) == is_same


def test_ops_that_are_not_compiled_stay(monkeypatch):
    monkeypatch.setattr(_ext, 'nms', mmcv_torch_ops.nms)
    with adapted_compiled_ops():
        assert _ext.nms is mmcv_torch_ops.nms


@compiled
def test_only_training_in_bfloat16_adapts_them(before):
    model = nn.Conv2d(3, 4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    LocalOptimWrapper(optimizer=optimizer)
    assert vars(_ext) == before
    # on a CPU; on a GPU it is float16 by default
    LocalAmpOptimWrapper(optimizer=optimizer)
    assert _ext.nms.args == (before['nms'],)
