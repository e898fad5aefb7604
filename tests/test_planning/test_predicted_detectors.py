"""Predicted memory of detectors, whose losses run on real tensors."""

from dataclasses import replace

import pytest
from mmengine.registry import DefaultScope
from tiny_detector import narrow_detector

from localsup_mm.hosts import read_config
from localsup_mm.planning import find_aux_nets, make_planner
from localsup_mm.planning.aux_cost import measure_aux_nets
from localsup_mm.planning.stretches import closed_gradients
from localsup_mm.simulation import read_workload
from localsup_mm.tracing import trace_backbone

RETINANET = 'localsup_mm::e2e/retinanet_r50_coco.py'


@pytest.fixture(scope='module')
def planner():
    """Its neck leaves out the first, frozen output of the backbone."""
    cfg = read_config(RETINANET)
    cfg.model.backbone.depth = 18
    narrow_detector(cfg, channels=32, num_classes=3)
    workload = read_workload(cfg, 2, (256, 320))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        aux_nets = find_aux_nets(cfg, (256, 320))
        return make_planner(workload, aux_nets, recompute='none')


@pytest.mark.parametrize(
    'cuts',
    [['layer2.0'], ['layer3.0'], ['layer4.0'], ['layer2.0', 'layer3']],
    ids='_'.join,
)
def test_prediction_is_what_is_counted(planner, cuts):
    plan = planner.evaluate(cuts)
    predicted = planner.memory_model.peaks(
        [planner.names.index(name) + 1 for name in cuts]
    )
    assert max(predicted) == pytest.approx(plan.peak_memory, rel=1e-4)
    assert predicted == pytest.approx(plan.module_peaks, rel=0.03)


def test_gradients_from_the_neck_do_not_cross_a_cut(planner):
    """Those of C3 and C4 live in an end-to-end backward, behind a cut not."""
    stretches = planner.profile.stretches
    found = {s.name: closed_gradients(s, s) for s in stretches}
    c3, c4 = 2 * 64 * 32 * 40 * 4, 2 * 128 * 16 * 20 * 4
    # the last one goes back to the boundary itself
    assert found['layer2'] == 0
    assert found['layer3.0'] == found['layer3'] == c3
    assert found['layer4.0'] == c3 + c4


def test_aux_nets_on_real_tensors_count_alike(planner):
    """What convs and a backward return counts as on fake tensors."""
    boundary = trace_backbone(planner.workload.model.backbone).boundaries
    features = planner.profile.stretches[0].features
    decoder = dict(decoder=planner.aux_nets['decoder'])
    peaks = [
        measure_aux_nets(
            replace(planner.workload, is_data_dependent=is_real),
            boundary['layer2.0'],
            decoder,
            features,
        ).peak
        for is_real in (False, True)
    ]
    assert peaks[1] == pytest.approx(peaks[0], rel=0.02)
