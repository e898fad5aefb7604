"""What the cheap aux nets cost, on fake tensors."""

import pytest
from mmengine.registry import DefaultScope
from processes import ROOT

from localsup_mm.hosts import find_host, read_training
from localsup_mm.planning import make_planner
from localsup_mm.simulation import read_workload

RESNET101 = ['layer1.2', 'layer2.3', 'layer3.7', 'layer3.15', 'layer3.22']


def read_planner(config, image_size=None, batch_size=None):
    if '::' not in config:
        config = str(ROOT / 'configs' / config)
    cfg = read_training(config)
    workload = read_workload(cfg, batch_size, image_size)
    image_size = workload.input_shape[2:]
    sizes = find_host(cfg).make_default_aux_nets(cfg, image_size)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        planner = make_planner(workload, sizes)
    return planner, sizes.index(planner.aux_nets)


@pytest.mark.parametrize(
    ('config', 'boundaries', 'place'),
    [
        pytest.param(
            'e2e/deeplabv3_r101_cityscapes.py',
            RESNET101,
            0,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_'
            'ade20k-512x512.py',
            [
                'stages.0.blocks.1',
                'stages.1.blocks.1',
                'stages.2.blocks.1',
                'stages.2.blocks.3',
                'stages.2.blocks.5',
            ],
            0,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'e2e/resnet110_cifar10.py',
            ['layer1.8', 'layer1.17', 'layer2.8', 'layer2.17', 'layer3.8'],
            0,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'e2e/resnet101_imagenet.py',
            RESNET101,
            0,
            marks=pytest.mark.slow,
        ),
        # its plans for K = 6 cut three times in the first stage
        (
            'mmpretrain::resnet/resnet50_8xb32_in1k.py',
            ['layer1.2', 'layer2.1', 'layer2.3', 'layer3.2', 'layer3.5'],
            1,
        ),
        (
            'mmpretrain::vision_transformer/vit-base-p16_64xb64_in1k.py',
            [f'layers.{i}' for i in (1, 3, 5, 7, 9)],
            0,
        ),
        pytest.param(
            'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
            ['layer2.1', 'layer2.3', 'layer3.1', 'layer3.3', 'layer3.5'],
            0,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_extra_compute_is_below_6_percent(config, boundaries, place):
    # ratios of a detector are those at half the size
    size = (400, 672) if 'mmdet' in config else None
    planner, taken = read_planner(config, size)
    # published figures are those of the largest aux nets
    assert taken == place
    plan = planner.evaluate([_find(planner, name) for name in boundaries])
    assert 0 < plan.extra_macs < 0.06


@pytest.mark.parametrize(
    ('config', 'image_size', 'batch_size'),
    [
        pytest.param(
            'mmpretrain::mobilenet_v3/mobilenet-v3-small_8xb128_in1k.py',
            None,
            8,
            marks=pytest.mark.slow,
        ),
        # wide for small images, and made for large ones
        ('mmpretrain::resnet/resnet18_8xb16_cifar10.py', None, None),
        ('mmpretrain::resnet/resnet50_8xb32_in1k.py', (96, 96), None),
        pytest.param(
            'e2e/resnet32_cifar10.py',
            None,
            None,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'mmseg::hrnet/fcn_hr18s_4xb2-40k_cityscapes-512x1024.py',
            (128, 256),
            None,
            marks=pytest.mark.slow,
        ),
        (
            'mmseg::fastscnn/fast_scnn_8xb4-160k_cityscapes-512x1024.py',
            (256, 512),
            2,
        ),
        pytest.param(
            'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
            (256, 256),
            2,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
            (320, 320),
            2,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_small_networks_get_small_aux_nets(config, image_size, batch_size):
    planner, taken = read_planner(config, image_size, batch_size)
    assert taken > 0
    plan = planner.plan(min(6, len(planner.names) + 1))
    assert 0 < plan.extra_macs < 0.06


def _find(planner, name):
    """The candidate at the end of a block, which may bear a stage's name."""
    return name if name in planner.names else name.rpartition('.')[0]
