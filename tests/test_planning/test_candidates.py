"""One boundary for each place, of any family."""

import pytest
from cases import CASES
from mmengine.registry import MODELS

from localsup_mm import trace_backbone
from localsup_mm.planning.candidates import find_candidates

# the first of them; nothing of a frozen stage, nothing inside of a block
EXPECTED = {
    'resnext': ['maxpool', 'layer1.0', 'layer1.1', 'layer1', 'layer2.0'],
    'resnet_mmdet_frozen': ['layer2.0', 'layer2.1', 'layer2.2', 'layer2'],
    'swin': ['drop_after_pos', 'stages.0.blocks.0', 'stages.0.blocks.1'],
    'vit': ['pre_norm', 'layers.0', 'layers.1', 'layers.2'],
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
