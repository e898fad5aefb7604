"""What lives on between two local modules, to the byte."""

import pytest
import torch
from asserts import train_step, wrap
from cases import ToyHead, ToyModel, make_batch
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

from localsup_mm.metering import LiveBytes

SIZE = 2 * 8 * 32 * 32 * 4  # bytes of the features of a batch


@MODELS.register_module(force=True)
class Chain(BaseModule):
    """Convs and ReLUs, one after the other."""

    def __init__(self):
        super().__init__()
        convs = [nn.Conv2d(3, 8, 3, 2, 1)]
        convs += [nn.Conv2d(8, 8, 3, padding=1) for _ in range(5)]
        self.layers = nn.Sequential(
            *(m for conv in convs for m in (conv, nn.ReLU()))
        )

    def forward(self, x):
        return self.layers(x)


@MODELS.register_module(force=True)
class ScoringHead(ToyHead):
    """It computes scores with a graph that no loss needs."""

    def loss(self, feats, data_samples, **kwargs):
        feats[-1].mul(2).sigmoid().detach()
        return super().loss(feats, data_samples, **kwargs)


def build_chain(aux_head='ToyHead'):
    parts = dict(
        decoder=dict(type='ReconstructionDecoder'),
        aux_head=dict(type=aux_head),
    )
    model = ToyModel(
        dict(
            type='LocalBackbone',
            backbone=dict(type='Chain'),
            local_modules=[
                dict(boundary=f'layers.{i}', **parts) for i in (3, 7)
            ],
        )
    )
    model.eval()
    with torch.no_grad():
        model(*make_batch(), mode='loss')  # the neck learns its width
    return model.train()


@pytest.mark.parametrize('step_each_module', [False, True])
def test_only_features_and_gradients(step_each_module):
    model = build_chain()
    wrapper = wrap(model, step_each_module=step_each_module)
    train_step(model, wrapper)  # the optimizer has its state
    inputs, _ = make_batch()
    found, expected = [], []
    live = LiveBytes(model, wrapper.optimizer)
    start = live.current

    def look(module, args, h):
        found.append(live.current - start)
        gradients = sum(
            p.grad.nbytes for p in model.parameters() if p.grad is not None
        )
        assert (gradients == 0) == step_each_module
        # h, and what the loop over the layers still holds: the ReLU's input
        expected.append(gradients + inputs.nbytes + 2 * SIZE)

    for i in (3, 7):
        model.backbone.layers[i].register_forward_hook(look)
    with live:
        train_step(model, wrapper)
    scalars = 256  # what is logged
    for a, b in zip(found, expected, strict=True):
        assert b <= a <= b + scalars
    assert live.current == start


def test_graphs_that_no_loss_needs_are_freed():
    model = build_chain('ScoringHead')
    wrapper = wrap(model)
    train_step(model, wrapper)
    live = LiveBytes(model, wrapper.optimizer)
    start = live.current
    with live:
        train_step(model, wrapper)
    assert live.current == start
