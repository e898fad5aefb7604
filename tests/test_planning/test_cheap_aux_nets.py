"""What the cheap aux nets cost, on fake tensors."""

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from processes import ROOT

from localsup_mm.planning import Planner, default_aux_nets, read_workload

RESNET101 = ['layer1.2', 'layer2.3', 'layer3.7', 'layer3.15', 'layer3.22']


def make_planner(config, image_size):
    if '::' in config:
        cfg = Config.fromstring(f'_base_ = [{config!r}]', '.py')
    else:
        cfg = Config.fromfile(ROOT / 'configs' / config)
    workload = read_workload(cfg, 2, image_size)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return Planner(workload, default_aux_nets(cfg))


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
    planner = make_planner(config, (400, 672) if 'mmdet' in config else None)
    plan = planner.evaluate([_find(planner, name) for name in boundaries])
    assert 0 < plan.extra_macs < 0.06


def _find(planner, name):
    """The candidate at the end of a block, which may bear a stage's name."""
    return name if name in planner.names else name.rpartition('.')[0]
