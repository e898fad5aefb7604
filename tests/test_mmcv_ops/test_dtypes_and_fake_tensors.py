"""The ops run in half the precision, and on tensors without data."""

import pytest
import torch
from mmcv import ops
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch._subclasses import FakeTensorMode

BOXES = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7], [4, 4, 12, 12]])
SCORES = torch.tensor([0.5, 1.0, 0.75])
ROIS = torch.cat([torch.zeros(3, 1), BOXES], 1)
TARGET = torch.tensor([0, 2, 1, 3])

# op: a function of the shapes that follow
CASES = {
    'roi_align': (
        lambda x: ops.roi_align(x, ROIS.type_as(x), 2),
        [(1, 3, 16, 16)],
    ),
    'deform_conv': (
        ops.deform_conv2d,
        [(2, 4, 5, 5), (2, 8, 4, 4), (3, 4, 2, 2)],
    ),
    'modulated_deform_conv': (
        lambda *args: ops.modulated_deform_conv2d(*args, 1, 1),
        [(2, 4, 5, 5), (2, 18, 5, 5), (2, 9, 5, 5), (3, 4, 3, 3), (3,)],
    ),
    'sigmoid_focal_loss': (
        lambda x: ops.sigmoid_focal_loss(x, TARGET, 2, 0.25, None, 'none'),
        [(4, 3)],
    ),
    'softmax_focal_loss': (
        lambda x: ops.softmax_focal_loss(x, TARGET, 2, 0.25, None, 'mean'),
        [(4, 4)],
    ),
    'ms_deform_attn': (
        lambda *args: MultiScaleDeformableAttnFunction.apply(
            args[0], torch.tensor([[3, 4]]), torch.tensor([0]), *args[1:], 64
        ),
        [(1, 12, 2, 4), (1, 5, 2, 1, 3, 2), (1, 5, 2, 1, 3)],
    ),
    'carafe': (
        lambda *args: ops.carafe(*args, 3, 1, 2),
        [(1, 4, 3, 3), (1, 9, 6, 6)],
    ),
    'psa_mask': (
        lambda x: ops.psa_mask.psa_mask(x, 0, (3, 3)),
        [(1, 9, 4, 4)],
    ),
}


@pytest.fixture(autouse=True)
def _stand_in(use_stand_in):
    use_stand_in()


def run(function, tensors):
    inputs = [t.detach().requires_grad_() for t in tensors]
    output = function(*inputs)
    return [output, *torch.autograd.grad(output.float().sum(), inputs)]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('case', CASES)
def test_half_the_precision(case, dtype):
    function, shapes = CASES[case]
    tensors = [torch.rand(shape).to(dtype) for shape in shapes]
    expected = run(function, [t.float() for t in tensors])
    for found, exact in zip(run(function, tensors), expected):
        assert found.dtype == dtype
        found, exact = found.detach().float(), exact.detach()
        close = 0.02 * float(exact.abs().max())
        torch.testing.assert_close(found, exact, rtol=0.02, atol=close)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_boxes_in_half_the_precision(dtype):
    boxes, scores = BOXES.to(dtype), SCORES.to(dtype)
    dets, kept = ops.nms(boxes, scores, 0.5)
    assert dets.dtype == dtype
    assert kept.tolist() == [1, 2]
    assert ops.soft_nms(boxes, scores)[1].tolist() == [1, 2, 0]
    dets = torch.cat([boxes, scores[:, None]], 1)
    assert [g.tolist() for g in ops.nms_match(dets, 0.5)] == [[1, 0], [2]]
    found = ops.bbox_overlaps(boxes, boxes)
    torch.testing.assert_close(
        found, ops.bbox_overlaps(BOXES, BOXES).to(dtype)
    )


@pytest.mark.parametrize('case', sorted({*CASES} - {'ms_deform_attn'}))
def test_fake_tensors(case):
    """All but what reads the sizes of levels, and what removes boxes."""
    function, shapes = CASES[case]
    with FakeTensorMode(allow_non_fake_inputs=True):
        found = run(function, [torch.rand(shape) for shape in shapes])
    expected = run(function, [torch.rand(shape) for shape in shapes])
    assert [f.shape for f in found] == [e.shape for e in expected]
