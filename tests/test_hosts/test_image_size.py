"""Height and width of images, from a text or a config."""

import pytest
from mmengine.config import Config
from processes import ROOT

from localsup_mm.hosts import find_host, parse_image_size, read_training
from localsup_mm.hosts.image_size import find_image_size


@pytest.mark.parametrize('size', ['512', '0x512', '512x', '512x1024x3'])
def test_no_size(size):
    with pytest.raises(ValueError, match=f"`--crop`.*HxW, but got '{size}'"):
        parse_image_size(size, '--crop')


def test_size():
    assert parse_image_size('512x1024', '--size') == (512, 1024)


def load(path):
    return read_training(path if '::' in path else f'{ROOT}/configs/{path}')


@pytest.mark.parametrize(
    ('path', 'size'),
    [
        ('e2e/deeplabv3_r101_cityscapes.py', (512, 1024)),
        ('infopro/resnet110_k4_softmax_cifar10.py', (32, 32)),
        ('e2e/resnet101_imagenet.py', (224, 224)),
        ('mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', (800, 1333)),
        ('mmdet::detr/detr_r50_8xb2-150e_coco.py', (800, 1333)),
        (
            'mmseg::segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py',
            (512, 512),
        ),
        ('mmpretrain::resnet/resnet50_8xb32_in1k.py', (224, 224)),
        (
            'mmpretrain::efficientnet/efficientnet-b0_8xb32_in1k.py',
            (224, 224),
        ),
        # crops of PIL and torchvision, and a resize of the whole batch
        (
            'mmpretrain::beit/beit_beit-base-p16_8xb256-amp-coslr-300e_in1k.py',
            (224, 224),
        ),
        (
            'mmpretrain::mff/benchmarks/'
            'vit-base-p16_8xb2048-linear-coslr-90e_in1k.py',
            (224, 224),
        ),
        (
            'mmdet::crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
            (800, 1400),
        ),
    ],
)
def test_image_size(path, size):
    cfg = load(path)
    assert find_host(cfg).find_image_size(cfg) == size


def test_no_image_size():
    cfg = load('e2e/resnet110_cifar10.py')
    cfg.train_dataloader.dataset.pipeline = []
    with pytest.raises(ValueError, match=r'pipeline.*--size HxW'):
        find_image_size(cfg)


RESIZE = dict(type='RandomResize', scale=(1333, 800))
CHOICE = dict(type='RandomChoiceResize', scales=[(640, 480), (320, 240)])


@pytest.mark.parametrize(
    ('pipeline', 'size'),
    [
        # in a file of JSON a tuple is a list
        ([dict(RESIZE, scale=[1333, 800])], (800, 1333)),
        ([dict(type='Resize', scale=(480, 640))], (640, 480)),
        ([dict(type='Resize', scale=224)], (224, 224)),
        ([CHOICE], (480, 640)),
        (
            [
                RESIZE,
                dict(
                    type='RandomCrop',
                    crop_size=(512, 512),
                    crop_type='absolute',
                ),
            ],
            (512, 512),
        ),
        # the last one counts; with the host's name before it
        (
            [
                dict(type='RandomCrop', crop_size=(512, 512)),
                RESIZE,
                dict(type='mmseg.RandomCrop', crop_size=(128, 256)),
            ],
            (128, 256),
        ),
        (
            [
                RESIZE,
                dict(
                    type='RandomCrop',
                    crop_size=(0.5, 0.5),
                    crop_type='relative',
                ),
            ],
            (800, 1333),
        ),
        # torchvision's, whose `scale` is another thing
        (
            [
                dict(type='torchvision/Resize', size=256),
                dict(
                    type='torchvision/RandomResizedCrop',
                    size=(96, 128),
                    scale=(0.2, 1.0),
                ),
                dict(type='torchvision/RandomHorizontalFlip', p=0.5),
            ],
            (96, 128),
        ),
    ],
)
def test_size_of_a_pipeline(pipeline, size):
    dataset = dict(type='A', pipeline=pipeline)
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    assert find_image_size(cfg) == size
