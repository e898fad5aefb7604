"""Probes tell what features hold, and leave the network alone."""

from itertools import pairwise

import pytest
import torch
from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import nn

from localsup_mm.analysis import Probes, make_probes
from localsup_mm.hosts import read_config
from localsup_mm.simulation import build_host_model
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import trace_backbone

AUX_NETS = dict(
    decoder=dict(type='ReconstructionDecoder', channels=(8,)),
    aux_neck=dict(type='mmpretrain.GlobalAveragePooling'),
    aux_head=dict(
        type='mmpretrain.LinearClsHead', num_classes=2, cal_acc=True
    ),
)


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.data_preprocessor = ClsDataPreprocessor(
            mean=[127.5] * 3, std=[60.0] * 3, num_classes=2
        )


def make_batches(number, seed=0):
    """Noise, which is darker where the label is 1."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(number):
        labels = torch.randint(2, (32,), generator=rng)
        images = torch.randint(256, (32, 3, 8, 8), generator=rng)
        images = images // (1 + labels.view(-1, 1, 1, 1))
        yield dict(
            inputs=images.to(torch.uint8),
            data_samples=[DataSample().set_gt_label(k) for k in labels],
        )


@pytest.fixture(scope='module')
def network():
    """Keeps all, then what is darker, then nothing."""
    torch.manual_seed(0)
    keep = nn.Conv2d(3, 6, 1)
    pool = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Upsample((8, 8)), nn.Conv2d(6, 6, 1)
    )
    forget = nn.Conv2d(6, 6, 1)
    backbone = nn.Sequential(keep, pool, forget, nn.Conv2d(6, 6, 1))
    with torch.no_grad():
        forget.weight.mul_(1e-6)
    trace = trace_backbone(backbone, (8, 8))
    boundaries = trace.partition(['0', '1', '2']).boundaries
    return Model(backbone), boundaries


def test_what_is_there_is_found_and_what_is_not_is_not(network):
    model, boundaries = network
    before = {k: v.clone() for k, v in model.state_dict().items()}
    probes = Probes(model, [LocalModule(b, **AUX_NETS) for b in boundaries])
    seen = []
    probes.fit([*make_batches(50)], 250, lambda i, loss: seen.append(i))
    assert seen == [*range(1, 251)]
    rows = probes.evaluate(make_batches(8, seed=1))
    assert [row['boundary'] for row in rows] == ['0', '1', '2']
    every, brightness, nothing = rows
    assert every['image'] > 0.8
    assert every['accuracy'] > 97
    assert every['label_loss'] < 0.5
    # the mean of an image tells little of its pixels, but its label
    assert 0.1 < brightness['image'] < 0.35
    assert brightness['accuracy'] > 90
    assert nothing['image'] < 0.02
    assert nothing['accuracy'] < 65
    assert nothing['label_loss'] > 0.65
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(p.grad is None for p in model.parameters())


def test_labels_and_images_share_no_gradient_between_probes(network):
    """One probe learns the same, whichever others are there."""
    model, boundaries = network
    batches = [*make_batches(3)]
    results = []
    for kept in (boundaries[:1], boundaries):
        torch.manual_seed(3)
        probes = Probes(model, [LocalModule(b, **AUX_NETS) for b in kept])
        for probe in probes.local_modules:
            torch.manual_seed(4)
            probe.init_weights()
            for p in probe.parameters():
                nn.init.normal_(p, std=0.1)
        probes.fit(batches, 5)
        results.append(probes.evaluate(batches)[0])
    assert results[0] == results[1]


@pytest.mark.parametrize('number', [1, 4, None])
def test_boundaries_lie_evenly_and_end_with_the_network(number):
    cfg = read_config('mmpretrain::resnet/resnet18_8xb32_in1k.py')
    cfg.model.backbone.update(stem_channels=8, base_channels=8)
    cfg.model.head.in_channels = 64
    model, model_again = build_host_model(cfg), build_host_model(cfg)
    last = [*trace_backbone(model.backbone, (64, 64)).boundaries][-1]
    probes = make_probes(cfg, model, (64, 64), number)
    found = [probe.boundary.name for probe in probes.local_modules]
    every = make_probes(cfg, model_again, (64, 64)).local_modules
    places = [-1, *([p.boundary.name for p in every].index(n) for n in found)]
    gaps = [b - a for a, b in pairwise(places)]
    assert max(gaps) - min(gaps) <= 1
    assert found[-1] == last == 'layer4'
    assert len(set(found)) == len(found) == (number or 9)
    strides = [probe.boundary.stride for probe in probes.local_modules]
    assert strides == sorted(strides)
    targets = {probe.decoder.target_stride for probe in probes.local_modules}
    assert targets == {1}


def test_a_detector_has_no_probes_of_labels():
    cfg = read_config('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py')
    cfg.model.backbone.init_cfg = None
    probes = make_probes(cfg, build_host_model(cfg), (64, 64), 2)
    assert all(probe.aux_head is None for probe in probes.local_modules)


def test_number_of_boundaries_is_checked():
    cfg = read_config('mmpretrain::resnet/resnet18_8xb32_in1k.py')
    with pytest.raises(ValueError, match='at least 1, but got 0'):
        make_probes(cfg, build_host_model(cfg), (64, 64), 0)
