"""Aux nets for networks of hosts that have none."""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm

from localsup_mm.hosts import (
    default_aux_nets,
    find_data_samples,
    find_num_classes,
    read_training,
)
from localsup_mm.metering import MacCounter
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary


@pytest.mark.parametrize(
    ('name', 'num_classes'),
    [
        ('mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py', 19),
        (
            'mmseg::knet/knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512.py',
            150,
        ),
        (
            'mmseg::point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py',
            19,
        ),
        # with a semantic head of 183 classes
        ('mmdet::htc/htc_r50_fpn_1x_coco.py', 80),
        ('mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco.py', 80),
        ('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', 80),
        ('mmpretrain::resnet/resnet18_8xb16_cifar10.py', 10),
        ('mmpretrain::vgg/vgg11bn_8xb32_in1k.py', 1000),
    ],
)
def test_number_of_classes(name, num_classes):
    cfg = read_training(name)
    assert find_num_classes(cfg) == num_classes
    for aux_nets in default_aux_nets(cfg):
        assert aux_nets['aux_head']['num_classes'] == num_classes


@pytest.mark.parametrize(
    ('name', 'boundary', 'image'),
    [
        (
            'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
            Boundary('stem', channels=24, stride=2),
            64,
        ),
        (
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
            Boundary('stem', channels=24, stride=2),
            64,
        ),
        (
            'mmpretrain::resnet/resnet50_8xb32_in1k.py',
            Boundary('stem', channels=24, stride=2),
            128,
        ),
        (
            'mmpretrain::resnet/resnet18_8xb16_cifar10.py',
            Boundary('conv1', channels=24, stride=1),
            32,
        ),
        # narrower than any head, and coarser than any target
        (
            'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
            Boundary('layer4', channels=4, stride=64),
            64,
        ),
        (
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
            Boundary('layer4', channels=4, stride=64),
            64,
        ),
        (
            'mmpretrain::resnet/resnet50_8xb32_in1k.py',
            Boundary('layer4', channels=4, stride=128),
            128,
        ),
    ],
)
def test_aux_nets_of_each_size_learn(name, boundary, image):
    cfg = read_training(name)
    make_data_samples = find_data_samples(cfg.default_scope, ())
    previous = None
    for aux_nets in default_aux_nets(cfg, (image, image)):
        local_module = revert_sync_batchnorm(LocalModule(boundary, **aux_nets))
        local_module.decoder.set_normalization([0.0] * 3, [255.0] * 3)
        side = image // boundary.stride
        feats = torch.rand(2, boundary.channels, side, side)
        feats.requires_grad_()
        inputs = torch.rand(2, 3, image, image) * 255
        with MacCounter() as counter:
            losses = local_module.loss(
                feats, inputs, make_data_samples(inputs.shape)
            )
        assert len(losses) >= 2
        terms = [
            sum(value) if isinstance(value, list) else value
            for key, value in losses.items()
            if 'loss' in key
        ]
        total = sum(term.sum() for term in terms)
        total.backward()
        assert total.isfinite()
        assert feats.grad.abs().sum() > 0
        assert all(
            parameter.grad is not None
            for parameter in local_module.parameters()
        )
        assert previous is None or counter.forward < previous
        previous = counter.forward


def test_sizes_follow_the_image():
    cfg = read_training('mmpretrain::resnet/resnet18_8xb32_in1k.py')
    small = default_aux_nets(cfg, (64, 64))[0]
    assert small['decoder']['target_stride'] == 'feature'
    assert small['aux_neck']['num_convs'] == 1
    large = default_aux_nets(cfg)[0]
    assert large['decoder']['target_stride'] == 4
    assert large == default_aux_nets(cfg, (224, 224))[0]


def test_no_number_of_classes():
    cfg = Config(dict(model=dict(type='A', backbone=dict(type='B'))))
    with pytest.raises(ValueError, match=r"num_classes, but got \['backbone'"):
        find_num_classes(cfg)
