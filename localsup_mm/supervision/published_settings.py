"""Where published networks are cut, and how their local losses are weighed.

Cuts and weights are those of the authors' code of `InfoPro
<https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR 2021. A boundary is the
name of a submodule in mmpretrain's networks; ``relu`` ends the stem.
"""

__all__ = ['LOSS_WEIGHTS', 'PARTITIONS', 'find_setting']


def _blocks(layer: int, indices: str) -> str:
    return ' '.join(f'layer{layer}.{i}' for i in indices.split())


def _layers(stage: int, indices: str) -> str:
    return ' '.join(f'stages.{stage}.block.{i}' for i in indices.split())


# network: {K: the last submodule of each local module but the K-th}
PARTITIONS = {
    # equal depth
    'resnet32': {
        2: 'layer2.1',
        3: 'layer1.4 layer2.4',
        4: 'layer1.2 layer2.1 layer3.0',
        8: f'{_blocks(1, "0 2 4")} {_blocks(2, "1 3")} {_blocks(3, "0 2")}',
        16: f'relu {_blocks(1, "0 1 2 3 4")} {_blocks(2, "0 1 2 3 4")} '
        f'{_blocks(3, "0 1 2 3")}',
    },
    'resnet110': {
        2: 'layer2.8',
        3: 'layer1.17 layer2.17',
        4: 'layer1.11 layer2.7 layer3.3',
        8: f'{_blocks(1, "4 11")} {_blocks(2, "0 7 14")} {_blocks(3, "3 10")}',
        16: f'{_blocks(1, "1 4 7 10 13 16")} {_blocks(2, "1 4 7 11 15")} '
        f'{_blocks(3, "1 5 9 13")}',
    },
    # InfoPro*: equal memory, so early local modules are shorter
    'resnet110_balanced_cifar10': {
        2: 'layer1.14',
        3: 'layer1.9 layer2.2',
        4: 'layer1.6 layer1.14 layer2.8',
    },
    'resnet110_balanced_stl10': {
        2: 'layer1.14',
        3: 'layer1.8 layer2.1',
        4: 'layer1.6 layer1.14 layer2.8',
    },
    # ours: Table 2 has results, but no cuts are published. Equal numbers of
    # dense layers
    'densenet-bc-100-12': {
        2: 'stages.1.block.7',
        4: 'stages.0.block.11 stages.1.block.7 stages.2.block.3',
        8: f'{_layers(0, "5 11")} {_layers(1, "1 7 13")} {_layers(2, "3 9")}',
        16: f'{_layers(0, "2 5 8 11 14")} {_layers(1, "1 4 7 10 13")} '
        f'{_layers(2, "0 3 6 9 12")}',
    },
    'resnet101_imagenet': {2: 'layer2.0'},
    'resnet152_imagenet': {2: 'layer2.5'},
    'resnext101-32x8d_imagenet': {2: 'layer2.2'},
}

# setting: {K: (lambda_1, lambda_2) of the first and of the last local module
# with a local loss}. With K=2 there is one such module.
LOSS_WEIGHTS = {
    'resnet32_cifar10': {
        2: ((5, 1), (0, 0)),
        4: ((6, 0), (1, 2)),
        8: ((5, 0), (0, 2)),
        16: ((5, 0.05), (0.2, 0.5)),
    },
    'resnet110_cifar10': {
        2: ((5, 0.5), (0, 0)),
        4: ((1, 0), (0, 1)),
        8: ((5, 0), (0, 1)),
        16: ((5, 0), (0.5, 1)),
    },
    'resnet110_balanced_cifar10': {
        2: ((5, 0.1), (0, 0)),
        3: ((5, 0), (5, 0.1)),
        4: ((5, 0), (5, 0.1)),
    },
    'resnet110_stl10': {
        2: ((10, 1), (0, 0)),
        4: ((20, 0.2), (5, 2)),
        8: ((20, 0.2), (5, 1)),
        16: ((20, 0.5), (10, 0.1)),
    },
    'resnet110_balanced_stl10': {
        2: ((20, 1), (0, 0)),
        3: ((20, 0.5), (5, 2)),
        4: ((20, 0.5), (10, 1)),
    },
    'resnet110_svhn': {
        2: ((1, 0.1), (0, 0)),
        4: ((5, 0), (0.5, 1)),
        8: ((5, 0), (0.5, 2)),
        16: ((5, 0.2), (0.5, 1)),
    },
    'resnet101_imagenet': {2: ((5, 0.75), (0, 0))},
    'resnet152_imagenet': {2: ((5, 1), (0, 0))},
    'resnext101-32x8d_imagenet': {2: ((5, 0.75), (0, 0))},
}


def find_setting(table: dict, argument: str, name: str, k: int) -> object:
    """Look up a published setting.

    Args:
        table (dict): ``PARTITIONS`` or ``LOSS_WEIGHTS``.
        argument (str): Which argument names it, for messages.
        name (str): Its first key.
        k (int): K, its second key.

    Returns:
        object: The entry.

    Raises:
        ValueError: If there is none; it lists those there are.
    """
    if k in table.get(name, {}):
        return table[name][k]
    if name in table:
        there = f'{name!r} has one for {sorted(table[name])}'
    else:
        there = ', '.join(f'{n!r} {sorted(table[n])}' for n in sorted(table))
        there = f'There are (with K): {there}'
    instead = (
        "boundaries='auto' to let the planner choose, or boundaries=[...] to "
        'cut where you like'
        if table is PARTITIONS
        else 'loss_weights=((a, b), (c, d)): lambda_1 and lambda_2 of the '
        'first and of the last'
    )
    raise ValueError(
        f'`{argument}` should have a published setting for '
        f'num_local_modules={k}, but got {name!r}. {there}. Or give {instead}.'
    )
