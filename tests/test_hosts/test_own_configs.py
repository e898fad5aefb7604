"""Configs by ``localsup_mm::...``, in a clone and in a wheel."""

from importlib.metadata import PackageNotFoundError

import pytest
from mmengine.config import Config, utils
from processes import ROOT

from localsup_mm.hosts import (
    find_own_config,
    let_configs_inherit_any_host,
    let_configs_inherit_ours,
    own_configs,
    read_config,
)

NAME = 'infopro/resnet32_k2_softmax_cifar10.py'


def test_in_a_clone():
    assert find_own_config(f'localsup_mm::{NAME}') == str(
        ROOT / 'configs' / NAME
    )


def test_in_a_wheel(tmp_path, monkeypatch):
    path = tmp_path / 'localsup_mm' / '.mim' / 'configs' / 'a' / 'b.py'
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setattr(own_configs, '_PACKAGE', tmp_path / 'localsup_mm')
    assert find_own_config('localsup_mm::a/b.py') == str(path)


def test_unknown_name():
    name = 'localsup_mm::infopro/resnet32_k3_softmax_cifar10.py'
    message = r"but got 'localsup_mm::infopro/resnet32_k3.*Closest.*_k2_soft"
    with pytest.raises(ValueError, match=message):
        read_config(name)


def test_inherited_types_are_built_in_the_scope_of_their_host(tmp_path):
    path = tmp_path / 'child.py'
    path.write_text(
        f"_base_ = 'localsup_mm::{NAME}'\n"
        'model = dict(backbone=_base_.model.backbone)\n'
    )
    cfg = Config.fromfile(path)
    assert '_scope_' not in cfg.pretty_text
    assert cfg.model == Config.fromfile(ROOT / 'configs' / NAME).model


def test_hosts_are_still_found_and_mmengine_is_changed_once(tmp_path):
    find_path = Config._get_cfg_path
    let_configs_inherit_ours()
    assert Config._get_cfg_path is find_path
    path = tmp_path / 'child.py'
    path.write_text("_base_ = 'mmseg::_base_/models/fcn_r50-d8.py'\n")
    assert Config.fromfile(path).model.type == 'EncoderDecoder'


def test_a_host_of_another_distribution(monkeypatch):
    """Of onedl-mmsegmentation mmengine finds no config by itself."""

    def find_none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(own_configs, 'distribution', find_none)
    monkeypatch.setitem(utils.PKG2PROJECT, 'mmseg', 'onedl-anything')
    name = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    with pytest.raises(ModuleNotFoundError, match='onedl-anything'):
        read_config(name)
    let_configs_inherit_any_host()
    assert read_config(name).model.backbone.depth == 18


def test_config_of_a_host_keeps_its_name():
    name = 'fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py'
    cfg = read_config(f'mmseg::{name}')
    assert cfg.filename.endswith(name.rpartition('/')[2])


def test_missing_file():
    with pytest.raises(FileNotFoundError, match=r"existing.*but got 'no\.py'"):
        read_config('no.py')
