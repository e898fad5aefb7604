"""The ways to train a network, derived from its configs."""

import pytest
from mmengine.config import Config
from processes import ROOT

from localsup_mm.analysis import derive_methods, read_comparable
from localsup_mm.analysis.methods import name_method


@pytest.mark.parametrize(
    ('config', 'method'),
    [
        ('infopro/resnet32_k4_softmax_cifar10.py', 'infopro'),
        ('greedy/resnet32_k4_cifar10.py', 'greedy'),
        ('dgl/resnet32_k4_cifar10.py', 'dgl'),
        ('predsim/resnet32_k16_cifar10.py', 'predsim'),
        ('auglocal/resnet32_k16_cifar10.py', 'auglocal'),
        ('man/resnet32_k16_dgl_cifar10.py', 'man'),
        ('man/resnet32_k16_softmax_cifar10.py', 'man'),
        ('contsup/deeplabv3_r18_k4_r1e-infopro_camvid.py', 'contsup'),
    ],
)
def test_names_of_methods(config, method):
    assert name_method(Config.fromfile(f'{ROOT}/configs/{config}')) == method


def test_several_local_configs():
    names = [
        'infopro/resnet32_k4_softmax_cifar10',
        'infopro/resnet32_k2_softmax_cifar10',
        'infopro/resnet32_k2_contrast_cifar10',
        'greedy/resnet32_k4_cifar10',
        'contsup/resnet32_k16_r1e_cifar10',
    ]
    cfgs = [read_comparable(f'{ROOT}/configs/{name}.py') for name in names]
    methods = derive_methods(*cfgs)
    second = 'infopro_k2_resnet32_k2_contrast_cifar10'
    assert {n: m.label for n, m in methods.items() if not m.with_cp} == {
        'e2e': 'end-to-end',
        'infopro_k4': 'InfoPro K=4',
        'infopro_k2': 'InfoPro K=2',
        second: 'InfoPro K=2 (resnet32_k2_contrast_cifar10)',
        'greedy_k4': 'greedy K=4',
        'contsup_k16': 'ContSup K=16',
        'greedy_k2': 'greedy K=2',
    }
    # a config of one's own comes before what is derived
    assert not methods['greedy_k4'].is_optional
    assert methods['greedy_k2+with_cp'].is_optional
    assert methods[f'{second}+with_cp'].label.endswith('+ checkpointing')


def test_recomputation_is_of_the_local_ones():
    """As a config says it; end to end nothing is."""
    path = f'{ROOT}/configs/infopro/resnet32_k4_softmax_cifar10.py'
    cfg = read_comparable(path)
    cfg.recompute = ['backbone.layer1']
    methods = derive_methods(cfg)
    assert methods['infopro'].cfg.recompute == ['backbone.layer1']
    assert 'recompute' not in methods['e2e'].cfg
    assert cfg.recompute
