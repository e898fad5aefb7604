"""The number of classes of a network, from its config."""

import pytest
from mmengine.config import Config

from localsup_mm.hosts import find_host, read_training


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
        # of things, as the labels of boxes are
        ('mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', 80),
        (
            'mmdet::mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py',
            80,
        ),
        (
            'mmseg::mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py',
            150,
        ),
        ('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', 80),
        ('mmpretrain::resnet/resnet18_8xb16_cifar10.py', 10),
        ('mmpretrain::vgg/vgg11bn_8xb32_in1k.py', 1000),
    ],
)
def test_number_of_classes(name, num_classes):
    cfg = read_training(name)
    host = find_host(cfg)
    assert host.find_num_classes(cfg) == num_classes
    for aux_nets in host.make_default_aux_nets(cfg):
        assert aux_nets['aux_head']['num_classes'] == num_classes


@pytest.mark.parametrize('scope', ['mmdet', 'mmpretrain', 'mmseg'])
def test_no_number_of_classes(scope):
    cfg = Config(dict(model=dict(type='A', backbone=dict(type='B'))))
    with pytest.raises(ValueError, match=r"num_classes, but got \['backbone'"):
        find_host(scope).find_num_classes(cfg)
