"""Cheap aux nets of each host for networks that have none."""

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm

from localsup_mm.hosts import find_host, read_training
from localsup_mm.metering import MacCounter
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary


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
    host = find_host(cfg)
    # no detector's masks
    unread = Config({})
    previous = None
    for aux_nets in host.make_default_aux_nets(cfg, (image, image)):
        local_module = revert_sync_batchnorm(LocalModule(boundary, **aux_nets))
        local_module.decoder.set_normalization([0.0] * 3, [255.0] * 3)
        side = image // boundary.stride
        feats = torch.rand(2, boundary.channels, side, side)
        feats.requires_grad_()
        inputs = torch.rand(2, 3, image, image) * 255
        with MacCounter() as counter:
            losses = local_module.loss(
                feats, inputs, host.make_data_samples(unread, inputs.shape)
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
