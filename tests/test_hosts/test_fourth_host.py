"""A host of one's own: one file, which its configs import."""

import json
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from commands import run_localsup
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import DATASETS, METRICS, MODELS
from processes import ROOT, environment, read_scalars

HOST = '''
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS, Registry
from torch import nn
from torch.utils.data import Dataset

from localsup_mm.hosts import Host, register_host

TOY_MODELS = Registry('model', parent=MODELS, scope='toy_host')
TOY_DATASETS = Registry('dataset', parent=DATASETS, scope='toy_host')
TOY_METRICS = Registry('metric', parent=METRICS, scope='toy_host')


@TOY_DATASETS.register_module()
class Noise(Dataset):
    metainfo = dict(classes=('a', 'b', 'c'))

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return dict(inputs=torch.rand(3, *self.size), data_samples=i % 3)


@TOY_METRICS.register_module()
class ToyAccuracy(BaseMetric):
    def process(self, data_batch, data_samples):
        labels = data_batch['data_samples'].tolist()
        self.results += [a == b for a, b in zip(data_samples, labels)]

    def compute_metrics(self, results):
        return dict(toy_accuracy=sum(results) / len(results))


@TOY_MODELS.register_module()
class ToyBackbone(nn.Sequential):
    def __init__(self):
        super().__init__(*(
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.ReLU())
            for a, b in [(3, 8), (8, 16), (16, 32), (32, 32)]
        ))


@TOY_MODELS.register_module()
class ToyHead(nn.Module):
    """Its loss takes an argument that no other host's takes."""

    def __init__(self, in_channels, num_classes, loss_weight=1.0):
        super().__init__()
        self.fc = nn.Linear(in_channels, num_classes)
        self.num_classes = num_classes
        self.loss_weight = loss_weight

    def loss(self, feats, labels, smoothing):
        loss = nn.functional.cross_entropy(
            self.fc(feats[-1].mean((2, 3))),
            labels,
            label_smoothing=smoothing,
        )
        return dict(loss_toy=self.loss_weight * loss)


@TOY_MODELS.register_module()
class ToyModel(BaseModel):
    def __init__(self, backbone, toy_head, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.backbone = MODELS.build(backbone)
        self.toy_head = MODELS.build(toy_head)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        feats = (self.backbone(inputs),)
        if mode == 'predict':
            scores = self.toy_head.fc(feats[-1].mean((2, 3)))
            return scores.argmax(1).tolist()
        if mode != 'loss':
            return feats
        return self.toy_head.loss(feats, data_samples, 0.1)


@register_host
class ToyHost(Host):
    scope = 'toy_host'
    head_names = result_heads = ('toy_head',)

    def make_data_sample(self, cfg, size):
        return 0

    def make_data_samples(self, cfg, shape):
        return torch.zeros(shape[0], dtype=torch.long)

    def find_image_size(self, cfg):
        return tuple(cfg.train_dataloader.dataset.size)

    def make_aux_net(self, width, stride, num_classes):
        return dict(
            decoder=dict(
                type='ReconstructionDecoder', channels=(width,),
                target_stride=stride, mean=[0.0] * 3, std=[255.0] * 3),
            aux_head=dict(type='toy_host.ToyHead', num_classes=num_classes),
            min_stride=stride,
        )

    def compute_head_loss(self, head, feats, data_samples):
        return head.loss(feats, data_samples, smoothing=0.1)
'''
CONFIG = """
default_scope = 'toy_host'
custom_imports = dict(imports='toy_host')
env_cfg = dict()  # as in every config of a host; mmengine 0.8 needs it
model = dict(
    type='ToyModel',
    backbone=dict(type='ToyBackbone'),
    toy_head=dict(type='ToyHead', in_channels=32, num_classes=3))
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    collate_fn=dict(type='default_collate'),
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='Noise', size=(64, 64)))
test_dataloader = train_dataloader
test_evaluator = dict(type='ToyAccuracy')
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2)
default_hooks = dict(logger=dict(type='LoggerHook', interval=1))
log_processor = dict(by_epoch=False)
"""


def run(folder, tool, *args, succeeds=True):
    env = environment()
    env['PYTHONPATH'] += f':{folder}'
    process = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / tool), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        timeout=300,
        check=False,
    )
    assert (process.returncode == 0) == succeeds, process.stdout[-3000:]
    return process.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The host, a config of it, and the one written for local modules."""
    folder = tmp_path_factory.mktemp('toy')
    (folder / 'toy_host.py').write_text(HOST)
    (folder / 'base.py').write_text(CONFIG)
    words = ('--num-local-modules', '3', '-o', folder / 'my.py')
    output = run(folder, 'localize.py', folder / 'base.py', *words)
    assert 'planning for (2, 3, 64, 64)' in output
    return folder


def test_a_fourth_host_trains_by_local_losses(folder, tmp_path):
    run(folder, 'train.py', folder / 'my.py', '--work-dir', tmp_path)
    for key in ('local_0', 'local_1'):
        assert len(read_scalars(tmp_path, f'{key}.loss_toy')) == 2
        assert len(read_scalars(tmp_path, f'{key}.loss_recon')) == 2
    assert len(read_scalars(tmp_path, 'loss_toy')) == 2


def test_the_heads_of_a_fourth_host_are_checked(folder, tmp_path):
    words = ('--work-dir', tmp_path, '--cfg-options')
    output = run(
        folder, 'train.py', folder / 'my.py', *words,
        'model.toy_head.num_classes=2', succeeds=False,
    )  # fmt: skip
    assert '`num_classes` of toy_head should be 3' in output


@pytest.fixture
def localsup(folder, monkeypatch):
    """Run commands in this process, which forgets the host afterwards."""
    monkeypatch.syspath_prepend(str(folder))
    known = import_module('localsup_mm.hosts.known_hosts')
    monkeypatch.setattr(known, '_HOSTS', {**known._HOSTS})
    yield run_localsup
    del sys.modules['toy_host']
    for registry in (DATASETS, METRICS, MODELS):
        del registry.children['toy_host']


def test_commands_on_a_fourth_host(localsup, folder, tmp_path):
    words = ('--num-local-modules', '3')
    printed = localsup('plan', folder / 'base.py', *words)
    assert '3 local modules: peak memory' in printed

    figures = tmp_path / 'figures.json'
    words = ('--fake', '--json', figures)
    printed = localsup('compare', folder / 'my.py', *words)
    for name in ('e2e', 'infopro'):
        assert f'| {name} |' in printed
    assert json.loads(figures.read_text())['versions']['toy_host'] == 'unknown'

    words = ('--work-dir', tmp_path)
    localsup('train', folder / 'my.py', *words)
    (checkpoint,) = tmp_path.glob('*.pth')
    words = (checkpoint, *words, '--save-predictions', tmp_path / 'out.pkl')
    assert 'toy_accuracy' in localsup('test', folder / 'my.py', *words)
    assert len(load(tmp_path / 'out.pkl')) == 4

    plain = tmp_path / 'plain.pth'
    localsup('export', checkpoint, plain)
    cfg = Config.fromfile(folder / 'base.py').model
    model = MODELS.build(dict(cfg, _scope_='toy_host'))
    model.load_state_dict(torch.load(plain)['state_dict'])
