"""The worked example of docs/add_a_method.md runs as it stands there."""

import re
import sys

import pytest
import torch
from cases import CASES
from mmengine.logging import MessageHub
from mmengine.registry import MODELS, init_default_scope
from mmpretrain.structures import DataSample
from processes import ROOT
from test_properties import PROPERTIES

from localsup_mm import LocalOptimWrapper
from localsup_mm.hosts import read_config
from localsup_mm.simulation import build_host_model

TEXT = (ROOT / 'docs/add_a_method.md').read_text()
BLOCKS = dict(re.findall(r'```python\n# ([\w./]+)\n(.*?)```', TEXT, re.DOTALL))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The method's file and its config, beside each other."""
    folder = tmp_path_factory.mktemp('method')
    for name in ('hsic_bottleneck.py', 'resnet32_k16_hsic_cifar10.py'):
        (folder / name).write_text(BLOCKS[name])
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop('hsic_bottleneck', None)
    MODELS.module_dict.pop('HSICBottleneck', None)


@pytest.fixture(scope='module')
def cfg(folder):
    cfg = read_config(str(folder / 'resnet32_k16_hsic_cifar10.py'))
    init_default_scope(cfg.default_scope)
    return cfg


def test_the_config_trains(cfg):
    model = build_host_model(cfg)
    torch.manual_seed(0)
    samples = [DataSample().set_gt_label(i % 10) for i in range(8)]
    batch = dict(inputs=[*torch.randn(8, 3, 32, 32)], data_samples=samples)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    wrapper = LocalOptimWrapper(optimizer=optimizer)
    loss = model.train_step(batch, wrapper)['loss']
    assert torch.isfinite(loss)
    logged = MessageHub.get_current_instance().log_scalars
    assert {
        f'train/local_{k}.loss_{name}'
        for k in range(15)
        for name in ('image', 'label')
    } <= logged.keys()


@pytest.mark.parametrize(
    'check', PROPERTIES, ids=lambda f: f.__name__.removeprefix('assert_')
)
def test_the_row_has_every_property(cfg, check):
    cases = dict(CASES)
    exec(BLOCKS['tests/cases.py'], dict(CASES=cases))
    (name,) = cases.keys() - CASES.keys()
    check(cases[name])


def test_nhsic_is_that_of_the_formula(cfg):
    """tr(K (K + e m I)^-1 L (L + e m I)^-1) of centered kernels K, L."""
    loss = MODELS.build(dict(type='HSICBottleneck', num_classes=3, beta=7.0))
    generator = torch.Generator().manual_seed(0)
    h = torch.rand(6, 4, 2, 2, generator=generator, dtype=torch.float64)
    x = torch.rand(6, 3, 4, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def smooth(values):
        values = values.double().flatten(1)
        m, width = values.shape
        squares = ((values[:, None] - values[None]) ** 2).sum(2)
        center = torch.eye(m).double() - 1 / m
        kernel = center @ torch.exp(-squares / (50 * width)) @ center
        return kernel @ torch.inverse(kernel + 1e-5 * m * torch.eye(m))

    a, b, c = map(smooth, (h, x, torch.eye(3)[labels]))
    found = loss.loss((h,), x, labels)
    expected = dict(
        loss_image=torch.trace(a @ b), loss_label=-7 * torch.trace(a @ c)
    )
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert float(found[key]) == pytest.approx(float(value), rel=1e-3)
