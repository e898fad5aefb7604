"""The classification configs say what the paper says."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from localsup_mm.supervision import expand_local_modules

CONFIGS = Path(__file__).parents[1] / 'configs'
ROWS = [
    ('resnet32', 'cifar10'),
    ('resnet110', 'cifar10'),
    ('densenet-bc-100-12', 'cifar10'),
    ('resnet110', 'svhn'),
    ('resnet110', 'stl10'),
]


def load(name):
    return Config.fromfile(CONFIGS / name)


def count(cfg):
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    return sum(p.numel() for p in model.parameters())


def test_every_published_row_has_a_config():
    names = {str(p.relative_to(CONFIGS)) for p in CONFIGS.glob('*/*.py')}
    for net, dataset in ROWS:
        assert f'e2e/{net}_{dataset}.py' in names
        for k in (2, 4, 8, 16):
            assert f'greedy/{net}_k{k}_{dataset}.py' in names
            assert f'dgl/{net}_k{k}_{dataset}.py' in names
            for loss in ('softmax', 'contrast'):
                assert f'infopro/{net}_k{k}_{loss}_{dataset}.py' in names
    for k in (2, 3, 4):
        for dataset in ('cifar10', 'stl10'):
            assert f'infopro/resnet110_k{k}_balanced_{dataset}.py' in names
            # 'Gradient checkpointing' of Table 3
            cfg = load(f'e2e/resnet110_checkpointing_{dataset}.py')
            assert cfg.model.backbone.with_cp
    for net in ('resnet101', 'resnet152', 'resnext101-32x8d'):
        assert {f'e2e/{net}_imagenet.py', f'infopro/{net}_imagenet.py'} < names


@pytest.mark.parametrize(
    ('name', 'parameters'),
    [
        ('e2e/resnet32_cifar10.py', 466_906),
        ('e2e/resnet110_cifar10.py', 1_730_714),
        ('e2e/resnet110_stl10.py', 1_730_714),
        ('e2e/densenet-bc-100-12_cifar10.py', 769_162),
        # with 15 decoders and 15 aux heads of the published sizes
        (
            'infopro/resnet32_k16_contrast_cifar10.py',
            466_906
            + 6 * (2_091 + 25_408)
            + 5 * (3_819 + 43_392)
            + 4 * (7_275 + 61_824),
        ),
        # greedy: C -> 10 classes at each of 15 boundaries
        (
            'greedy/resnet32_k16_cifar10.py',
            466_906 + 6 * 170 + 5 * 330 + 4 * 650,
        ),
        # ResNet-101 as torchvision's, decoder and aux head as the authors'
        ('e2e/resnet101_imagenet.py', 44_549_160),
        ('infopro/resnet101_imagenet.py', 44_549_160 + 106_699 + 4_643_560),
        ('e2e/resnext101-32x8d_imagenet.py', 88_791_336),
    ],
)
def test_parameters(name, parameters):
    assert count(load(name)) == parameters


@pytest.mark.parametrize(
    ('dataset', 'batch', 'lr', 'mean'),
    [
        ('cifar10', 1024, 0.8, [125.3, 123.0, 113.9]),
        ('svhn', 1024, 0.8, [127.5] * 3),
        ('stl10', 128, 0.1, [127.5] * 3),
    ],
)
def test_training(dataset, batch, lr, mean):
    cfg = load(f'infopro/resnet110_k16_contrast_{dataset}.py')
    assert cfg.train_dataloader.batch_size == batch
    assert not cfg.train_dataloader.get('drop_last', False)
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer == dict(
        type='SGD', lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    assert cfg.param_scheduler == dict(
        type='WarmupCosineLR', end=160, warmup=10, warmup_lr=0.01
    )
    assert cfg.train_cfg.max_epochs == 160
    assert cfg.data_preprocessor.mean == mean
    assert cfg.model.head.num_classes == 10
    assert cfg.train_dataloader.dataset.split == 'train'
    assert cfg.test_dataloader.dataset.split == 'test'


def test_imagenet_training():
    for net, batch, lr in (
        ('resnet101', 1024, 0.4),
        ('resnet152', 1024, 0.4),
        ('resnext101-32x8d', 512, 0.2),
    ):
        cfg = load(f'infopro/{net}_imagenet.py')
        assert cfg.train_dataloader.batch_size * 8 == batch
        assert cfg.optim_wrapper.optimizer.lr == lr
        assert cfg.optim_wrapper.optimizer.nesterov
        assert cfg.train_cfg.max_epochs == cfg.param_scheduler.T_max == 90
        assert not cfg.model.backbone.backbone.zero_init_residual


@pytest.mark.parametrize('k', [2, 4, 8, 16])
@pytest.mark.parametrize(('net', 'dataset'), ROWS)
def test_methods(net, dataset, k):
    def modules(method, loss=''):
        cfg = load(f'{method}/{net}_k{k}{loss}_{dataset}.py')
        assert cfg.optim_wrapper.type == 'LocalOptimWrapper'
        return expand_local_modules(**cfg.model.backbone.local_modules)

    methods = {
        'greedy': modules('greedy'),
        'dgl': modules('dgl'),
        'softmax': modules('infopro', '_softmax'),
        'contrast': modules('infopro', '_contrast'),
    }
    cuts = [[m['boundary'] for m in ms] for ms in methods.values()]
    assert cuts[0] == cuts[1] == cuts[2] == cuts[3]
    for method in ('greedy', 'dgl'):
        for module in methods[method]:
            assert module['decoder'] is None
            assert module['aux_head']['type'] == 'mmpretrain.LinearClsHead'
    assert methods['greedy'][0]['aux_neck']['num_convs'] == 0
    assert methods['dgl'][0]['aux_neck']['type'] == 'MLPSRNeck'
    for softmax, contrast in zip(methods['softmax'], methods['contrast']):
        assert softmax['decoder'] == contrast['decoder']
        assert (softmax['aux_head'] is None) == (contrast['aux_head'] is None)
        if contrast['aux_head'] is not None:
            assert softmax['aux_head']['num_classes'] == 10
            assert contrast['aux_head']['type'] == 'SupConHead'
            assert contrast['aux_neck'] == softmax['aux_neck']


def test_balanced_and_asynchronous():
    for k in (2, 3, 4):
        for dataset in ('cifar10', 'stl10'):
            cfg = load(f'infopro/resnet110_k{k}_balanced_{dataset}.py')
            rule = cfg.model.backbone.local_modules
            assert rule.partition == f'resnet110_balanced_{dataset}'
            assert rule.loss_weights == rule.partition
            assert rule.aux_head.type == 'SupConHead'
    for k in (2, 4):
        cfg = load(f'infopro/resnet110_k{k}_async_cifar10.py')
        assert cfg.train_cfg.type == 'AsynchronousTrainLoop'
        assert cfg.train_cfg.max_epochs == 160
