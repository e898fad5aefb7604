"""What the cheap aux nets cost, on fake tensors."""

from dataclasses import replace

import pytest
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from processes import ROOT

from localsup_mm import supervise_locally
from localsup_mm.engine import check_model
from localsup_mm.models import expand_local_modules
from localsup_mm.planning import (
    default_aux_nets,
    measure_step,
    read_training,
    read_workload,
)

RESNET101 = ['layer1.2', 'layer2.3', 'layer3.7', 'layer3.15', 'layer3.22']


def extra_macs(config, boundaries, image_size):
    path = config if '::' in config else f'{ROOT}/configs/{config}'
    cfg = read_training(path)
    workload = read_workload(cfg, 2, image_size)
    end_to_end = measure_step(workload).forward_macs
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        supervise_locally(
            workload.model.backbone,
            expand_local_modules(
                boundaries=boundaries, **default_aux_nets(cfg, image_size)
            ),
        )
    model = revert_sync_batchnorm(workload.model)
    check_model(model)  # gives the decoders mean and std
    workload = replace(workload, model=model)
    return measure_step(workload).forward_macs / end_to_end - 1


@pytest.mark.parametrize(
    ('config', 'boundaries'),
    [
        ('e2e/deeplabv3_r101_cityscapes.py', RESNET101),
        (
            'mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_'
            'ade20k-512x512.py',
            [
                'stages.0.blocks.1',
                'stages.1.blocks.1',
                'stages.2.blocks.1',
                'stages.2.blocks.3',
                'stages.2.blocks.5',
            ],
        ),
        (
            'e2e/resnet110_cifar10.py',
            ['layer1.8', 'layer1.17', 'layer2.8', 'layer2.17', 'layer3.8'],
        ),
        ('e2e/resnet101_imagenet.py', RESNET101),
        (
            'mmpretrain::resnet/resnet50_8xb32_in1k.py',
            ['layer1.2', 'layer2.1', 'layer2.3', 'layer3.2', 'layer3.5'],
        ),
        (
            'mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py',
            [f'layers.{i}' for i in (1, 3, 5, 7, 9)],
        ),
        (
            'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
            ['layer2.1', 'layer2.3', 'layer3.1', 'layer3.3', 'layer3.5'],
        ),
    ],
)
def test_extra_compute_is_below_6_percent(config, boundaries):
    # ratios of a detector are those at half the size
    size = (400, 672) if 'mmdet' in config else None
    assert 0 < extra_macs(config, boundaries, size) < 0.06
