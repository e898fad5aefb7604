"""Multiply-accumulates are those that torch's own counter finds."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from localsup_mm.metering import MacCounter


def test_macs_are_those_of_torchs_counter():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
    x = torch.rand(2, 3, 8, 8)
    with FlopCounterMode(display=False) as reference:
        net(x).sum().backward()
    with MacCounter() as counter:
        net(x).sum().backward()
    assert counter.total == reference.get_total_flops() // 2
    # 3x3 conv to 6 x 6 pixels, and a linear layer
    assert counter.forward == 2 * (36 * 4 * 27 + 144 * 5)
    with MacCounter() as counter:
        checkpoint(net, x, use_reentrant=False).sum().backward()
    # what the linear layer returned is not needed again
    recomputed = counter.total - reference.get_total_flops() // 2
    assert recomputed == 2 * 36 * 4 * 27


def test_macs_of_attention():
    q = torch.rand(1, 2, 8, 4, requires_grad=True)
    with MacCounter() as counter:
        out = nn.functional.scaled_dot_product_attention(q, q, q)
    # two products of 8 x 4 and 8 x 8, in two heads
    assert counter.forward == 2 * 2 * 8 * 8 * 4
    with counter:
        out.sum().backward()
    assert counter.total > counter.forward == 2 * 2 * 8 * 8 * 4


def test_bytes_that_other_ops_move():
    x = torch.rand(4, 8)
    with MacCounter() as counter:
        y = x.relu()
    assert counter.moved == 2 * 4 * 4 * 8
    with MacCounter() as counter:
        y.view(8, 4).t()[1:].detach()
        x @ y.t()
    # views move nothing, and a product is counted in MACs
    assert counter.moved == 0
    assert counter.total == 4 * 4 * 8
