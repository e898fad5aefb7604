"""The step time of CIFAR networks, at the smallest size."""

import sys

import pytest
import torch
from processes import ROOT, run_script
from torch import nn

sys.path.insert(0, str(ROOT / 'benchmarks/step_time'))

BENCHMARK = 'benchmarks/step_time/benchmark_step.py'


def run_benchmark(config, *words, expect=0):
    return run_script(
        BENCHMARK,
        *('--config', ROOT / 'configs' / config, '--rounds', '2'),
        *words,
        expect=expect,
    )


# one with a decoder and without a head, to be run by the naive step all the
# same; one with the other neck and without a decoder
@pytest.mark.parametrize(
    'config',
    [
        'infopro/resnet32_k4_contrast_cifar10.py',
        pytest.param('dgl/resnet32_k4_cifar10.py', marks=pytest.mark.slow),
    ],
)
def test_steps_of_a_cifar_resnet(config):
    output = run_benchmark(
        config,
        *('--size', '16x16', '--batch', '8'),
        *('--contenders', 'e2e', 'with_cp', 'naive'),
    )
    for name in ('hand-written', 'naive'):
        assert f'after one step of ours and {name}: ' in output
    for ratio in (
        'ours / hand-written',
        'hand-written / e2e',
        'ours / e2e',
        'with_cp / e2e',
        'naive / e2e',
    ):
        assert f'{ratio}: ' in output


def test_steps_of_a_segmentor():
    output = run_benchmark(
        'infopro/deeplabv3_r18_k4_cityscapes.py',
        *('--size', '64x64', '--contenders'),
    )
    assert 'after one step of ours and hand-written: ' in output


def test_bad_size():
    output = run_script(BENCHMARK, '--size', '64', expect=1)
    assert "`--size` should be HxW, but got '64'" in output


@pytest.mark.slow  # in a process of its own
def test_steps_of_a_segmentor_have_no_naive_one():
    output = run_benchmark(
        'infopro/deeplabv3_r18_k4_cityscapes.py',
        *('--size', '64x64', '--contenders', 'naive'),
        expect=1,
    )
    assert "for mmseg, but got 'naive'" in output


def test_other_networks_are_refused():
    from classification_step import HandWrittenStep

    model = nn.Module()
    model.backbone = nn.Identity()
    with pytest.raises(TypeError, match='a CIFARResNet, but got Identity'):
        HandWrittenStep(model, nn.ModuleList(), None)


@pytest.mark.parametrize(
    'cfg, error, message',
    [
        (dict(boundary='layer1'), ValueError, "but got 'layer1'"),
        (dict(aux_neck=None), TypeError, 'ConvPool or .* but got NoneType'),
        (
            dict(aux_head=dict(type='PredSimHead', num_classes=10)),
            TypeError,
            'SupConHead, but got PredSimHead',
        ),
    ],
)
def test_other_local_modules_are_refused(cfg, error, message):
    from classification_step import HandWrittenStep
    from mmpretrain.models import LinearClsHead

    from localsup_mm.models.backbones import CIFARResNet
    from localsup_mm.supervision import supervise_locally

    local_module = dict(
        boundary='layer1.0',
        aux_neck=dict(type='ConvPool'),
        aux_head=dict(type='SupConHead'),
    )
    model = nn.Module()
    model.backbone = supervise_locally(CIFARResNet(8), [local_module | cfg])
    model.head = LinearClsHead(10, 64)
    local_modules = model.backbone.local_supervision.local_modules
    with pytest.raises(error, match=message):
        HandWrittenStep(model, local_modules, None)


def test_different_weights_are_an_error():
    from benchmark_step import check_equal_weights

    before = dict(weight=torch.zeros(2), counter=torch.tensor(0))
    after = dict(weight=torch.ones(2), counter=torch.tensor(1))
    assert check_equal_weights('naive', before, after, after) == (0, 1)
    other = dict(after, weight=torch.tensor([1.0, 1.1]))
    with pytest.raises(RuntimeError, match=r"0\.1 in 'weight'"):
        check_equal_weights('naive', before, after, other)
    with pytest.raises(RuntimeError, match=r"none for \['weight'\]"):
        check_equal_weights(
            'naive', before, after, dict(counter=torch.tensor(1))
        )
