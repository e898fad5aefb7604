"""One boundary for each place, of any family."""

from functools import partial

import pytest
import torch
from cases import CASES
from mmengine.registry import MODELS
from torch import nn

from localsup_mm import trace_backbone
from localsup_mm.planning.candidates import find_candidates

# the first of them; nothing of a frozen stage, nothing inside of a block
EXPECTED = {
    'resnext': ['maxpool', 'layer1.0', 'layer1.1', 'layer1', 'layer2.0'],
    'resnet_mmdet_frozen': ['layer2.0', 'layer2.1', 'layer2.2', 'layer2'],
    'swin': ['drop_after_pos', 'stages.0.blocks.0', 'stages.0.blocks.1'],
    'vit': ['layers.0', 'layers.1', 'layers.2'],
    'convnext': ['downsample_layers.0', 'stages.0', 'downsample_layers.1'],
    'densenet': ['stem', 'stages.0', 'transitions.0', 'stages.1'],
}


@pytest.mark.parametrize('name', CASES)
def test_one_block_for_each_place(name):
    backbone = MODELS.build(CASES[name].backbone)
    trace = trace_backbone(backbone, (64, 64))
    names = find_candidates(backbone, trace)
    expected = EXPECTED.get(name, [])
    assert list(names[: len(expected)]) == expected
    # all of them together: in order, each local module with weights, the
    # last one too
    weights = [n for n, p in backbone.named_parameters() if p.dim() > 1]
    for parameters in trace.partition(names).parameters:
        assert set(parameters) & set(weights)


XCIT = dict(
    type='mmpretrain.XCiT',
    img_size=64,
    embed_dims=32,
    depth=2,
    cls_attn_layers=2,
    num_heads=2,
    mlp_ratio=2,
)


@pytest.mark.parametrize('cfg', [CASES['vit'].backbone, XCIT])
def test_image_tokens_have_seen_the_class_token(cfg):
    """A local loss reads them; it trains all that lies before."""
    backbone = MODELS.build(cfg)
    trace = trace_backbone(backbone, (64, 64))
    names = find_candidates(backbone, trace)
    losses = {}

    def keep_loss(name, module, args, h):
        images = h[:, trace.boundaries[name].num_extra_tokens or 0 :]
        losses[name] = (images * torch.randn_like(images)).sum()

    for name in names:
        module = backbone.get_submodule(name)
        module.register_forward_hook(partial(keep_loss, name))
    backbone.train()
    backbone(torch.randn(2, 3, 64, 64))
    parameters = dict(backbone.named_parameters())
    for name in names:
        before = trace.partition([name]).parameters[0]
        gradients = torch.autograd.grad(
            losses[name], [parameters[n] for n in before], retain_graph=True
        )
        assert all(gradient.any() for gradient in gradients)


def test_smallest_output_of_a_place():
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(4, 4, 3, padding=1),
    )
    trace = trace_backbone(backbone, (16, 16))
    assert set(trace.boundaries) >= {'0', '1', '2'}
    assert find_candidates(backbone, trace) == ('1',)
