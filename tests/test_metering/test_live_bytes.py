"""Bytes of living tensors."""

import torch
from torch import nn

from localsup_mm.metering import LiveBytes


def test_peak_and_what_is_left():
    with LiveBytes() as live:
        a = torch.zeros(1000)
        b = a + 1
        del b
        c = torch.zeros(10, dtype=torch.float64)
    assert live.peak == 8000
    assert live.current == 4080
    del a, c
    assert live.current == 0


def test_views_share_their_storage():
    with LiveBytes() as live:
        a = torch.zeros(10, 10)
        views = [a[1], a.t(), a.reshape(-1), a.detach()]
    assert live.peak == 400
    del views


def test_activations_live_until_the_backward():
    net = nn.Sequential(nn.Linear(10, 1000), nn.Sigmoid(), nn.Linear(1000, 1))
    x = torch.zeros(4, 10)
    with LiveBytes(net) as live:
        start = live.current
        assert start == sum(p.numel() * 4 for p in net.parameters())
        loss = net(x).sum()
        held = live.current
        loss.backward()
    # the sigmoid's output; the linear's input is not made here
    assert 4 * 1000 * 4 <= held - start < 2 * 4 * 1000 * 4
    gradients = sum(p.grad.numel() * 4 for p in net.parameters())
    assert live.current - start - gradients < 64


def test_optimizer_state_counts():
    net = nn.Linear(10, 10, bias=False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 10)).sum().backward()
    optimizer.step()
    # weight, gradient, momentum
    assert LiveBytes(net, optimizer).current == 3 * 400
