"""The model of a config."""

import pytest
from mmengine.config import Config

from localsup_mm.hosts import (
    find_checkpointing_layers,
    read_training,
    uses_activation_checkpointing,
)
from localsup_mm.recomputation import find_recomputed
from localsup_mm.simulation import build_host_model, drop_pretrained


def test_weights_to_download_are_left_out():
    pretrained = dict(type='Pretrained', checkpoint='nowhere://a')
    cfg = Config(
        dict(
            pretrained='nowhere://b',
            backbone=dict(init_cfg=pretrained),
            neck=dict(init_cfg=dict(checkpoint='nowhere://c')),
            heads=[dict(init_cfg=[dict(type='Normal'), pretrained])],
            other=dict(init_cfg=dict(type='Xavier')),
        )
    )
    drop_pretrained(cfg._cfg_dict)
    assert 'nowhere' not in cfg.pretty_text
    assert cfg.other.init_cfg.type == 'Xavier'


@pytest.mark.parametrize('with_cp', [True, False, None])
def test_checkpoints_are_those_of_the_backbone(with_cp):
    """As a config can ask for them: HRNet hands the flag to its stages."""
    cfg = read_training('mmpretrain::hrnet/hrnet-w18_4xb32_in1k.py')
    model = build_host_model(cfg, with_cp)
    flags = [getattr(m, flag) for m, flag in find_checkpointing_layers(model)]
    assert any(flags) == bool(with_cp)
    assert not all(flags)
    assert 'with_cp' not in cfg.model.backbone


def test_checkpoints_of_a_config_can_be_left_out():
    """DenseNet's have another name."""
    cfg = read_training('mmpretrain::densenet/densenet121_4xb256_in1k.py')
    cfg.model.backbone.memory_efficient = True
    assert uses_activation_checkpointing(build_host_model(cfg))
    assert not uses_activation_checkpointing(
        build_host_model(cfg, with_cp=False)
    )
    cfg.model.backbone.memory_efficient = False
    assert uses_activation_checkpointing(build_host_model(cfg, with_cp=True))


@pytest.mark.parametrize('with_cp', [True, False, None])
def test_names_to_recompute_are_those_of_the_config(with_cp):
    """Unless the caller has the backbone checkpoint instead."""
    cfg = read_training('mmpretrain::resnet/resnet18_8xb16_cifar10.py')
    cfg.recompute = ['backbone.layer1', 'neck']
    found = find_recomputed(build_host_model(cfg, with_cp))
    names = [] if with_cp else cfg.recompute
    assert [method.name for method in found] == names


def test_backbone_that_cannot_checkpoint():
    cfg = read_training('mmpretrain::deit/deit-tiny_4xb256_in1k.py')
    with pytest.raises(ValueError, match=r'`with_cp`.*VisionTransformer'):
        build_host_model(cfg, with_cp=True)


def test_heads_that_write_into_their_config():
    cfg = read_training('mmdet::detr/detr_r18_8xb2-500e_coco.py')
    model = build_host_model(cfg, with_cp=True)
    assert model.backbone.layer1[0].with_cp
