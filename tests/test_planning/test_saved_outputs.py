"""Watching what neck and heads save."""

import torch
from torch import nn

from localsup_mm.metering import LiveBytes
from localsup_mm.planning.saved_outputs import watching_saved


def test_it_sees_what_is_saved_and_holds_nothing():
    """A head may compute with a graph that no loss needs, e.g. to match."""
    backbone = nn.Conv2d(3, 8, 1)
    x = torch.rand(2, 3, 8, 8)
    with LiveBytes() as live, watching_saved(backbone) as is_saved:
        feats = backbone(x)
        start = live.current
        scores = feats.mul(2).sigmoid()
        assert live.current == start + feats.nbytes
        del scores
        assert live.current == start
        loss = feats.square().sum()
    assert is_saved == [True]
    loss.backward()
    assert backbone.weight.grad is not None
