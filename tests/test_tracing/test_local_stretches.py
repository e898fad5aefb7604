"""Which submodules run in which local module."""

import pytest
from cases import CASES
from mmengine.registry import MODELS

from localsup_mm import trace_backbone
from localsup_mm.tracing import LocalStretches


def find_stretches(name, boundaries=None):
    case = CASES[name]
    backbone = MODELS.build(case.backbone)
    trace = trace_backbone(backbone, frozen_too=True)
    return LocalStretches(trace, boundaries or case.boundaries)


def test_what_need_not_run():
    stretches = find_stretches('resnet_v1c_dilated')
    assert set(stretches.find_idle(0)) == {'layer2', 'layer3', 'layer4'}
    # layer3.0 is the boundary behind, layer1.1 the one before
    idle = {'stem', 'maxpool', 'layer1.0', 'layer3.1', 'layer4'}
    assert set(stretches.find_idle(1)) == idle
    idle = {'stem', 'maxpool', 'layer1', 'layer2'}
    assert set(stretches.find_idle(2)) == idle
    # outputs of layer1 and layer2 are of local module 1
    assert stretches.find_outputs() == {0: 1, 1: 1}


def test_frozen_layers_have_an_owner_and_need_not_run():
    stretches = find_stretches('resnet_mmdet_frozen')
    owners = stretches.find_owners()
    assert owners['conv1.weight'] == owners['layer2.1.conv1.weight'] == 0
    assert owners['layer3.0.conv1.weight'] == owners['layer3.2.bn3'] == 1
    assert owners.get('layer3.3.conv1.weight', 2) == 2
    assert {'conv1', 'layer1'} <= set(stretches.find_idle(1))
    # the frozen output of layer1 is computed by the first
    assert stretches.find_outputs() == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ('name', 'taps'),
    [('toy', {'norm2': 1}), ('swin', {'norm0': 1, 'norm1': 1})],
)
def test_taps_belong_to_the_last(name, taps):
    stretches = find_stretches(name)
    for tap, source in taps.items():
        assert stretches.find_source(tap) == source
        assert stretches.find_owners()[tap] == 2
        assert tap not in stretches.find_idle(2)
