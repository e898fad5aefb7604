"""Deformable attention in the simulation, as its kernel takes memory."""

import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops import multi_scale_deform_attn as host

from localsup_mm.hosts import attention_as_on_gpu
from localsup_mm.metering import LiveBytes

SHAPES = torch.tensor([[16, 16], [8, 8]])
QUERIES = 16 * 16 + 8 * 8


def attend(attention):
    torch.manual_seed(0)
    attention.zero_grad()
    query = torch.rand(2, QUERIES, 32, requires_grad=True)
    with LiveBytes() as live:
        out = attention(
            query,
            reference_points=torch.rand(2, QUERIES, 2, 2),
            spatial_shapes=SHAPES,
            level_start_index=torch.tensor([0, 256]),
        )
        in_forward = live.current
        out.sum().backward()
    return out, query.grad, in_forward


def test_it_keeps_its_inputs_and_no_sampled_features():
    attention = MultiScaleDeformableAttention(
        32, num_heads=4, num_levels=2, batch_first=True, dropout=0.0
    )
    plain, plain_grad, plain_live = attend(attention)
    with attention_as_on_gpu():
        out, grad, live = attend(attention)
    assert out.shape == plain.shape
    assert grad.shape == plain_grad.shape
    for param in attention.parameters():
        assert param.grad.shape == param.shape
    # 32 channels at 4 points on 2 levels, for each query
    assert plain_live - live > 2 * QUERIES * 32 * 4 * 2 * 4


def test_the_host_has_its_own_back():
    before = dict(vars(host))
    try:
        with attention_as_on_gpu():
            assert vars(host) != before
            raise KeyError
    except KeyError:
        assert vars(host) == before
