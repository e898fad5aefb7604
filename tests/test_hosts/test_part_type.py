"""Types of parts, however a config writes them."""

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, MODELS, OPTIM_WRAPPERS

from localsup_mm import LocalBackbone
from localsup_mm.engine import use_safe_hooks
from localsup_mm.hosts import (
    find_class,
    find_host,
    make_inheritable,
    name_type,
    read_config,
)

LAZY = """
from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmseg.models import EncoderDecoder, FCNHead, ResNetV1c
from torch import bfloat16, nn
import torch

default_scope = None
model = dict(
    type=EncoderDecoder,
    backbone=dict(
        type=ResNetV1c, depth=18, norm_cfg=dict(type=nn.BatchNorm2d)),
    decode_head=[dict(type=FCNHead, num_classes=19)])
optim_wrapper = dict(
    type=OptimWrapper, optimizer=dict(type=torch.optim.SGD), dtype=bfloat16)
default_hooks = dict(checkpoint=dict(type=CheckpointHook))
"""


class MyHook(CheckpointHook):
    """A hook of one's own, with behaviour that is not to be replaced."""


MyHook.__name__ = 'CheckpointHook'


@pytest.fixture
def lazy(tmp_path):
    path = tmp_path / 'lazy.py'
    path.write_text(LAZY)
    return path


@pytest.mark.parametrize(
    'kind',
    [
        'CheckpointHook',
        'mmengine.CheckpointHook',
        'mmengine.hooks.CheckpointHook',
        CheckpointHook,
    ],
    ids=str,
)
def test_one_name_for_all_forms(kind):
    assert name_type(dict(type=kind), HOOKS) == 'CheckpointHook'
    cfg = Config(dict(default_hooks=dict(checkpoint=dict(type=kind))))
    assert use_safe_hooks(cfg)
    assert cfg.default_hooks.checkpoint.type == 'SafeCheckpointHook'


@pytest.mark.parametrize('kind', [MyHook, 'theirs.CheckpointHook'], ids=str)
def test_another_class_of_the_same_name(kind):
    assert name_type(dict(type=kind), HOOKS) == str(kind)
    cfg = Config(dict(default_hooks=dict(checkpoint=dict(type=kind))))
    assert not use_safe_hooks(cfg)
    assert cfg.default_hooks.checkpoint.type == kind


def test_names_differ_from_those_of_functions():
    kinds = ('LocalBackbone', LocalBackbone, 'localsup_mm.LocalBackbone')
    names = {name_type(dict(type=kind), MODELS) for kind in kinds}
    assert names == {'LocalBackbone'}


def test_default():
    assert name_type({}, OPTIM_WRAPPERS, 'OptimWrapper') == 'OptimWrapper'
    assert find_class(dict(type='OptimWrapper'), OPTIM_WRAPPERS) is (
        OptimWrapper
    )
    assert find_class(dict(type='nowhere.Wrapper'), OPTIM_WRAPPERS) is None


def test_types_are_read_as_names(lazy):
    cfg = read_config(str(lazy))
    assert cfg.model.backbone.type == 'mmseg.models.ResNetV1c'
    assert cfg.model.backbone.norm_cfg.type == 'torch.nn.BatchNorm2d'
    assert cfg.model.decode_head[0].type == 'mmseg.models.FCNHead'
    assert cfg.optim_wrapper.optimizer.type == 'torch.optim.SGD'
    assert cfg.default_hooks.checkpoint.type == 'mmengine.hooks.CheckpointHook'
    # what is no type stays what it is
    assert cfg.optim_wrapper.dtype is torch.bfloat16


def test_they_mean_the_same(lazy):
    theirs = Config.fromfile(lazy)
    ours = read_config(str(lazy))
    assert ours.pretty_text == theirs.pretty_text
    for part in ('model', 'optim_wrapper'):
        registry = MODELS if part == 'model' else OPTIM_WRAPPERS
        assert find_class(ours[part], registry) is theirs[part].type


def test_a_host_without_a_scope(lazy):
    assert find_host(read_config(str(lazy))).scope == 'mmseg'
    assert find_host(Config.fromfile(lazy)).scope == 'mmseg'


def test_a_copy_to_inherit_from(lazy, tmp_path):
    copy = tmp_path / 'copy.py'
    path = make_inheritable(str(lazy), str(copy))
    assert path == str(copy)
    child = tmp_path / 'child.py'
    child.write_text(
        "_base_ = ['copy.py']\nmodel = dict(backbone=dict(depth=34))"
    )
    backbone = Config.fromfile(child).model.backbone
    assert backbone.type == 'mmseg.models.ResNetV1c'
    assert backbone.depth == 34


def test_others_are_inherited_from_as_they_are(tmp_path):
    child = tmp_path / 'child.py'
    child.write_text('a = 1')
    copy = tmp_path / 'copy.py'
    assert make_inheritable(str(child), str(copy)) == str(child)
    assert make_inheritable('mmseg::a.py', str(copy)) == 'mmseg::a.py'
    assert not copy.exists()
