"""The check of class numbers refuses no config that a host ships."""

import importlib
from inspect import Parameter
from pathlib import Path

import mmengine
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from torch import nn

from localsup_mm.engine import check_classes
from localsup_mm.hosts import find_class, find_head_names
from localsup_mm.hosts.config_parts import find_parameter

SITE = Path(mmengine.__file__).parents[1]


def find_metainfo(dataset, host):
    """What a data set of a config would say, without its files."""
    while 'type' not in dataset or 'dataset' in dataset:
        dataset = dataset['dataset']
    if 'datasets' in dataset:
        return find_metainfo(dataset['datasets'][0], host)
    cls = find_class(dataset, DATASETS, host)
    found = dataset.get('metainfo') or {}
    return {**getattr(cls, 'METAINFO', {}), **dict(found)}


def find_heads(cfg, name=''):
    """Each head of a model's config, and its name."""
    if isinstance(cfg, dict):
        if name.rstrip('.0123456789').rsplit('.', 1)[-1] in find_head_names():
            yield name, cfg
        items = cfg.items()
    elif isinstance(cfg, (list, tuple)):
        items = enumerate(cfg)
    else:
        return
    for key, value in items:
        yield from find_heads(value, f'{name}.{key}'.lstrip('.'))


def make_head(cfg, host):
    """A head without parameters, of its class; None without classes."""
    cls = find_class(cfg, MODELS, host)
    if cls is None:
        return None

    def find(name):
        parameter = find_parameter(cls, name)
        default = None if parameter is None else parameter.default
        default = None if default is Parameter.empty else default
        return cfg.get(name, default)

    if find('num_classes') is None:
        return None
    head = cls.__new__(cls)
    nn.Module.__init__(head)
    head.num_classes = find('num_classes')
    head.out_channels = find('out_channels') or head.num_classes
    head.class_agnostic = find('class_agnostic')
    return head


@pytest.mark.slow
@pytest.mark.parametrize('host', ['mmseg', 'mmdet', 'mmpretrain'])
def test_no_stock_config_is_refused(host):
    importlib.import_module(f'{host}.datasets')
    importlib.import_module(f'{host}.models')
    num_checked = 0
    refused = []
    for path in sorted((SITE / host / '.mim' / 'configs').rglob('*.py')):
        if '_base_' in path.parts:
            continue
        try:
            cfg = Config.fromfile(path)
        except (FileNotFoundError, KeyError, RuntimeError):
            continue  # a few cannot be read
        loader = cfg.get('train_dataloader') or {}
        if 'model' not in cfg or 'dataset' not in loader:
            continue
        metainfo = find_metainfo(loader, host)
        model = nn.ModuleDict()
        for i, (name, head) in enumerate(find_heads(cfg.model)):
            head = make_head(head, host)
            if head is not None:
                name = name.rstrip('.0123456789').rsplit('.', 1)[-1]
                model[str(i)] = nn.ModuleDict({name: head})
        try:
            check_classes(model, metainfo)
        except ValueError as error:
            refused.append(f'{path}: {error}')
        num_checked += 1
    print(f'{host}: {num_checked} configs checked')
    assert num_checked > 300
    assert refused == []
