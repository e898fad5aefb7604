"""Published cuts and weights, against infopro's tables of them."""

import pytest

from localsup_mm import supervise_locally, trace_backbone
from localsup_mm.models.backbones import CIFARResNet, DenseNetBC
from localsup_mm.supervision import (
    LOSS_WEIGHTS,
    PARTITIONS,
    expand_local_modules,
)


def blocks_per_module(partition, k, depth):
    """How many residual blocks each local module has."""
    order = ['relu'] + [
        f'layer{stage}.{block}'
        for stage in (1, 2, 3)
        for block in range(depth // 6)
    ]
    modules = expand_local_modules(partition=partition, num_local_modules=k)
    ends = [order.index(m['boundary']) for m in modules]
    starts = [0, *ends]
    return [b - a for a, b in zip(starts, [*ends, len(order) - 1])]


@pytest.mark.parametrize(
    ('partition', 'k', 'expected'),
    [
        ('resnet32', 2, [7, 8]),
        ('resnet32', 3, [5, 5, 5]),
        ('resnet32', 4, [3, 4, 4, 4]),
        ('resnet32', 8, [1] + [2] * 7),
        ('resnet32', 16, [0] + [1] * 15),
        ('resnet110', 2, [27, 27]),
        ('resnet110', 3, [18, 18, 18]),
        ('resnet110', 4, [12, 14, 14, 14]),
        ('resnet110', 8, [5] + [7] * 7),
        ('resnet110', 16, [2] + [3] * 8 + [4] * 7),
        ('resnet110_balanced_cifar10', 2, [15, 39]),
        ('resnet110_balanced_cifar10', 3, [10, 11, 33]),
        ('resnet110_balanced_cifar10', 4, [7, 8, 12, 27]),
        ('resnet110_balanced_stl10', 2, [15, 39]),
        ('resnet110_balanced_stl10', 3, [9, 11, 34]),
        ('resnet110_balanced_stl10', 4, [7, 8, 12, 27]),
    ],
)
def test_blocks_per_module(partition, k, expected):
    depth = int(partition.split('_')[0].removeprefix('resnet'))
    assert blocks_per_module(partition, k, depth) == expected


def test_stage_and_block_of_each_cut():
    # blocks per module alone would not tell layer1.17 from layer2.0
    assert PARTITIONS['resnet110'][3].split() == ['layer1.17', 'layer2.17']
    assert PARTITIONS['resnet110'][16].split() == [
        *[f'layer1.{i}' for i in (1, 4, 7, 10, 13, 16)],
        *[f'layer2.{i}' for i in (1, 4, 7, 11, 15)],
        *[f'layer3.{i}' for i in (1, 5, 9, 13)],
    ]
    assert PARTITIONS['resnet101_imagenet'] == {2: 'layer2.0'}
    assert PARTITIONS['resnet152_imagenet'] == {2: 'layer2.5'}
    assert PARTITIONS['resnext101-32x8d_imagenet'] == {2: 'layer2.2'}


def test_densenet_has_equal_numbers_of_layers():
    order = [f'stages.{s}.block.{b}' for s in range(3) for b in range(16)]
    for k, names in PARTITIONS['densenet-bc-100-12'].items():
        ends = [order.index(name) + 1 for name in names.split()]
        assert ends == [48 // k * m for m in range(1, k)]


@pytest.mark.parametrize(
    ('name', 'backbone'),
    [
        ('resnet32', CIFARResNet(32)),
        ('resnet110', CIFARResNet(110)),
        ('resnet110_balanced_cifar10', CIFARResNet(110)),
        ('resnet110_balanced_stl10', CIFARResNet(110)),
        ('densenet-bc-100-12', DenseNetBC(100)),
    ],
)
def test_each_cut_is_one(name, backbone):
    trace = trace_backbone(backbone)
    for names in PARTITIONS[name].values():
        trace.partition(names.split())


def weights(name, k, boundaries=None):
    modules = expand_local_modules(
        boundaries=boundaries or ['b'] * (k - 1),
        loss_weights=name,
        decoder={},
        aux_head=dict(type='SupConHead'),
    )
    return [
        tuple(
            round(part['loss_weight'], 3) if part else 0
            for part in (m['decoder'], m['aux_head'])
        )
        for m in modules
    ]


@pytest.mark.parametrize(
    ('name', 'k', 'expected'),
    [
        ('resnet32_cifar10', 4, [(6, 0), (3.5, 1), (1, 2)]),
        (
            'resnet110_cifar10',
            8,
            [
                (5, 0),
                (4.167, 0.167),
                (3.333, 0.333),
                (2.5, 0.5),
                (1.667, 0.667),
                (0.833, 0.833),
                (0, 1),
            ],
        ),
        ('resnet110_stl10', 4, [(20, 0.2), (12.5, 1.1), (5, 2)]),
        ('resnet110_balanced_stl10', 4, [(20, 0.5), (15, 0.75), (10, 1)]),
        ('resnet110_svhn', 4, [(5, 0), (2.75, 0.5), (0.5, 1)]),
        ('resnet32_cifar10', 2, [(5, 1)]),
        ('resnet101_imagenet', 2, [(5, 0.75)]),
        ('resnet152_imagenet', 2, [(5, 1)]),
        ('resnext101-32x8d_imagenet', 2, [(5, 0.75)]),
    ],
)
def test_expanded_weights(name, k, expected):
    assert weights(name, k) == expected


@pytest.mark.parametrize(
    ('name', 'published'),
    [
        # infopro's table of values, first -> last; K=2 has a first alone
        (
            'resnet32_cifar10',
            {
                2: (5, 1, 5, 1),
                4: (6, 0, 1, 2),
                8: (5, 0, 0, 2),
                16: (5, 0.05, 0.2, 0.5),
            },
        ),
        (
            'resnet110_cifar10',
            {
                2: (5, 0.5, 5, 0.5),
                4: (1, 0, 0, 1),
                8: (5, 0, 0, 1),
                16: (5, 0, 0.5, 1),
            },
        ),
        (
            'resnet110_balanced_cifar10',
            {2: (5, 0.1, 5, 0.1), 3: (5, 0, 5, 0.1), 4: (5, 0, 5, 0.1)},
        ),
        (
            'resnet110_stl10',
            {
                2: (10, 1, 10, 1),
                4: (20, 0.2, 5, 2),
                8: (20, 0.2, 5, 1),
                16: (20, 0.5, 10, 0.1),
            },
        ),
        (
            'resnet110_balanced_stl10',
            {2: (20, 1, 20, 1), 3: (20, 0.5, 5, 2), 4: (20, 0.5, 10, 1)},
        ),
        (
            'resnet110_svhn',
            {
                2: (1, 0.1, 1, 0.1),
                4: (5, 0, 0.5, 1),
                8: (5, 0, 0.5, 2),
                16: (5, 0.2, 0.5, 1),
            },
        ),
    ],
)
def test_published_weights(name, published):
    assert set(LOSS_WEIGHTS[name]) == set(published)
    for k, expected in published.items():
        found = weights(name, k)
        assert (*found[0], *found[-1]) == pytest.approx(expected), k


def test_aux_nets_of_weight_zero_are_left_out():
    first, middle, last = expand_local_modules(
        boundaries=['a', 'b', 'c'],
        loss_weights=((1, 0), (0, 1)),
        decoder={},
        aux_neck=dict(type='ConvPool'),
        aux_head=dict(type='SupConHead'),
    )
    assert first == dict(
        boundary='a',
        decoder=dict(loss_weight=1),
        aux_neck=None,
        aux_head=None,
    )
    assert middle['decoder'] is not None
    assert middle['aux_head'] is not None
    assert last['decoder'] is None
    assert last['aux_neck'] is not None


@pytest.mark.parametrize('key', ['loss', 'loss_decode'])
def test_weight_goes_where_the_host_keeps_it(key):
    head = {'type': 'Head', key: dict(type='CrossEntropyLoss')}
    (module,) = expand_local_modules(
        boundaries=['a'], loss_weights=((1, 0.5), (0, 0)), aux_head=head
    )
    assert module['aux_head'][key]['loss_weight'] == 0.5
    assert 'loss_weight' not in head[key]


def test_without_weights_configs_are_as_given():
    head = dict(type='SupConHead', loss_weight=3)
    modules = expand_local_modules(boundaries=['a', 'b'], aux_head=head)
    assert [m['aux_head'] for m in modules] == [head, head]


def test_one_local_module_is_end_to_end():
    assert (
        expand_local_modules(partition='resnet32', num_local_modules=1) == []
    )


def test_no_published_table():
    with pytest.raises(ValueError, match=r"'resnet32' has one for \[2, 3, 4"):
        expand_local_modules(partition='resnet32', num_local_modules=5)
    with pytest.raises(
        ValueError, match=r"got 'resnet56'.*'resnet110' \[2, 3, 4, 8, 16\]"
    ):
        expand_local_modules(partition='resnet56', num_local_modules=4)
    with pytest.raises(ValueError, match=r"loss_weights.*got 'resnet32_svhn'"):
        expand_local_modules(
            boundaries=['a'], loss_weights='resnet32_svhn', decoder={}
        )


def test_contradictions():
    with pytest.raises(ValueError, match='either a partition or boundaries'):
        expand_local_modules()
    with pytest.raises(ValueError, match=r'one more than.*, 2, but got 4'):
        expand_local_modules(boundaries=['a'], num_local_modules=4)


def test_a_module_without_any_loss():
    modules = expand_local_modules(
        boundaries=['layer1', 'layer2'],
        loss_weights=((0, 0), (1, 1)),
        decoder={},
    )
    with pytest.raises(ValueError, match=r"'layer1'.*got neither"):
        supervise_locally(CIFARResNet(8), modules)
