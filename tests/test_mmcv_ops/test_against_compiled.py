"""The ops give what those give that mmcv compiles for a CPU."""

import inspect

import numpy as np
import pytest
import torch
from mmcv import _ext, ops

pytestmark = pytest.mark.skipif(
    not inspect.isbuiltin(_ext.nms), reason='mmcv is not compiled here'
)
DTYPES = [torch.float32, torch.float64]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def leaves(*shapes, dtype):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(s, dtype=dtype, generator=generator).requires_grad_()
        for s in shapes
    ]


def make_boxes(n, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    start = torch.rand(n, 2, generator=generator) * 20
    size = torch.rand(n, 2, generator=generator) * 20 + 1
    scores = torch.randperm(n, generator=generator) / n + 0.01
    return torch.cat([start, start + size], 1).to(dtype), scores.to(dtype)


def compare(use_stand_in, function, inputs, tolerance):
    """Compare outputs and the gradients of a weighted sum of them."""

    def run():
        output = function(*inputs)
        weight = torch.linspace(0.5, 1.5, output.numel(), dtype=output.dtype)
        total = (output * weight.view_as(output)).sum()
        return [output, *torch.autograd.grad(total, inputs)]

    expected = run()
    use_stand_in()
    for found, wanted in zip(run(), expected):
        assert found.dtype == wanted.dtype
        torch.testing.assert_close(
            found, wanted, rtol=tolerance, atol=tolerance
        )


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align(use_stand_in, dtype, aligned, ratio):
    (feats,) = leaves((2, 3, 16, 20), dtype=dtype)
    boxes, _ = make_boxes(7, dtype)
    images = torch.arange(7, dtype=dtype)[:, None] % 2
    rois = torch.cat([images, boxes * 2], 1)
    compare(
        use_stand_in,
        lambda x: ops.roi_align(x, rois, (3, 2), 0.5, ratio, 'avg', aligned),
        [feats],
        TOLERANCE[dtype],
    )


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize(
    'stride, padding, dilation, groups, deform_groups',
    [(1, 1, 1, 1, 1), (2, (1, 2), (2, 1), 2, 1), (1, 0, 1, 1, 2)],
)
@pytest.mark.parametrize('version', ['v1', 'v2', 'v2 without a bias'])
def test_deformable_convs(
    use_stand_in,
    dtype,
    stride,
    padding,
    dilation,
    groups,
    deform_groups,
    version,
):
    arguments = (stride, padding, dilation, groups, deform_groups)
    feats, weight, bias = leaves(
        (2, 4, 9, 11), (6, 4 // groups, 3, 3), (6,), dtype=dtype
    )
    height, width = torch.nn.functional.conv2d(
        feats, weight, bias, *arguments[:4]
    ).shape[2:]
    offset, mask = leaves(
        (2, 18 * deform_groups, height, width),
        (2, 9 * deform_groups, height, width),
        dtype=dtype,
    )
    inputs = [feats, offset, weight]
    conv = ops.deform_conv2d
    if version == 'v2':
        inputs = [feats, offset, mask, weight, bias]
        conv = ops.modulated_deform_conv2d
    elif version != 'v1':
        inputs = [feats, offset, mask, weight]

        def conv(*args):
            return ops.modulated_deform_conv2d(*args[:4], None, *args[4:])

    compare(
        use_stand_in,
        lambda *tensors: conv(*tensors, *arguments),
        inputs,
        10 * TOLERANCE[dtype],  # sums of 36 products in another order
    )


def test_deformable_conv_with_a_gradient_of_the_weight_alone(use_stand_in):
    feats, offset, weight = leaves(
        (1, 2, 5, 5), (1, 18, 3, 3), (2, 2, 3, 3), dtype=torch.float64
    )
    compare(
        use_stand_in,
        lambda w: ops.deform_conv2d(feats.detach(), offset.detach(), w),
        [weight],
        1e-10,
    )


@pytest.mark.parametrize('psa_type', [0, 1])
def test_psa_mask(use_stand_in, psa_type):
    (masks,) = leaves((2, 5 * 7, 4, 6), dtype=torch.float32)
    compare(
        use_stand_in,
        lambda x: ops.psa_mask.psa_mask(x, psa_type, (5, 7)),
        [masks],
        0,
    )


@pytest.mark.parametrize('offset', [0, 1])
def test_nms(use_stand_in, offset):
    boxes, scores = make_boxes(60)
    boxes = torch.cat([boxes, boxes[:1] * 0])
    scores = torch.cat([scores, scores[:1] * 0.5])

    def run():
        return [
            *ops.nms(boxes, scores, 0.3, offset),
            *ops.nms(boxes, scores, 0.5, offset, 0.3, 5),
            *ops.nms(boxes.numpy(), scores.numpy(), 0.7, offset),
            *ops.nms(boxes[:0], scores[:0], 0.5, offset),
            *ops.batched_nms(
                boxes, scores, torch.arange(61) % 3, {'iou_threshold': 0.3}
            ),
        ]

    expected = run()
    use_stand_in()
    for found, wanted in zip(run(), expected):
        assert type(found) is type(wanted)
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('min_score', [0, 0.3])
@pytest.mark.parametrize('offset', [0, 1])
def test_soft_nms(use_stand_in, method, min_score, offset):
    boxes, scores = make_boxes(30)

    def run():
        return ops.soft_nms(boxes, scores, 0.3, 0.5, min_score, method, offset)

    expected_dets, expected_kept = run()
    use_stand_in()
    dets, kept = run()
    assert len(kept) == len(expected_kept)
    # among scores of zero mmcv has another order
    n = int((expected_dets[:, 4] > 0).sum())
    assert n > 3
    assert kept[:n].tolist() == expected_kept[:n].tolist()
    torch.testing.assert_close(dets[:n], expected_dets[:n])


def test_nms_match(use_stand_in):
    dets = torch.cat([make_boxes(40)[0], make_boxes(40)[1][:, None]], 1)
    expected = [group.tolist() for group in ops.nms_match(dets, 0.3)]
    use_stand_in()
    assert [group.tolist() for group in ops.nms_match(dets, 0.3)] == expected
    assert any(len(group) > 2 for group in expected)


@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('aligned', [False, True])
@pytest.mark.parametrize('offset', [0, 1])
def test_bbox_overlaps(use_stand_in, mode, aligned, offset):
    boxes, _ = make_boxes(10)

    def run():
        return ops.bbox_overlaps(boxes, boxes.flip(0), mode, aligned, offset)

    expected = run()
    use_stand_in()
    torch.testing.assert_close(run(), expected)
