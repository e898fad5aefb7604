"""Images out of the pipelines are those of the originals' pipelines.

The originals, as far as they concern pixels: a crop of the padded image on
CIFAR-10, SVHN and STL-10, torchvision's transforms of Pillow images on
ImageNet, mmcv's resize by cv2 on Cityscapes. COCO's are mmdetection's own.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from PIL import Image
from torchvision import transforms

CONFIGS = Path(__file__).parents[1] / 'configs'


def make_image(height, width):
    """Make a random picture with edges of each scale."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height, width, 3), np.uint8)
    coarse = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    coarse = cv2.resize(coarse, (width, height))
    return np.where(noise[..., :1] < 128, noise, coarse)


def make_pipeline(config, loader='train_dataloader', end=None):
    """The pipeline of a config up to a transform; images as arrays."""
    cfg = Config.fromfile(CONFIGS / config)
    init_default_scope(cfg.default_scope)
    pipeline = cfg[loader].dataset.pipeline
    assert pipeline[-1].type.startswith('Pack')
    names = [t.type for t in pipeline]
    return Compose(pipeline[: names.index(end) if end else -1])


@pytest.mark.parametrize(
    ('dataset', 'pad', 'mode', 'is_flipped'),
    [
        ('cifar10', 4, 'reflect', True),
        ('svhn', 2, 'constant', False),
        ('stl10', 4, 'constant', True),
    ],
)
def test_crops_of_the_padded_image(dataset, pad, mode, is_flipped):
    pipeline = make_pipeline(f'e2e/resnet110_{dataset}.py')
    size = 96 if dataset == 'stl10' else 32
    image = make_image(size, size)
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode)
    places = range(2 * pad + 1)
    known = {
        crop[:, ::step].tobytes(): (y, x, step)
        for y in places
        for x in places
        for crop in [padded[y : y + size, x : x + size]]
        for step in ((1, -1) if is_flipped else (1,))
    }
    np.random.seed(0)
    drawn = [pipeline(dict(img=image))['img'] for _ in range(400)]
    found = [known[img.tobytes()] for img in drawn]
    # each place is drawn, and about as often as the others
    assert {y for y, _, _ in found} == {x for _, x, _ in found} == {*places}
    assert {step for *_, step in found} == ({1, -1} if is_flipped else {1})


@pytest.fixture(params=['RGB', 'CMYK', 'turned'])
def photo(request, tmp_path):
    """A JPEG file; ImageNet has some in CMYK, or with an orientation."""
    path = tmp_path / 'photo.jpg'
    mode = request.param
    image = Image.fromarray(make_image(300, 400))
    exif = Image.Exif()
    if mode == 'turned':
        mode, exif[0x0112] = 'RGB', 6
    image.convert(mode).save(path, exif=exif)
    return str(path)


def test_test_images_of_imagenet(photo):
    pipeline = make_pipeline('e2e/resnet101_imagenet.py', 'test_dataloader')
    image = pipeline(dict(img_path=photo))['img'][..., ::-1]
    original = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224)]
    )
    expected = original(Image.open(photo).convert('RGB'))
    assert np.array_equal(image, np.asarray(expected))


def test_training_images_of_imagenet(photo):
    pipeline = make_pipeline('e2e/resnet101_imagenet.py', end='RandomFlip')
    crop = pipeline.transforms[-1]
    source = Image.open(photo).convert('RGB')
    for seed in range(3):
        np.random.seed(seed)
        y, x, h, w = crop.rand_crop_params(np.asarray(source))
        np.random.seed(seed)
        image = pipeline(dict(img_path=photo))['img'][..., ::-1]
        expected = transforms.functional.resized_crop(
            source, y, x, h, w, [224, 224]
        )
        assert np.array_equal(image, np.asarray(expected))


def test_images_of_cityscapes():
    """Their originals are resized by cv2 as well, in mmseg 0.x."""
    pipeline = make_pipeline(
        'e2e/deeplabv3_r101_cityscapes.py', 'train_dataloader', 'RandomCrop'
    )
    resize = pipeline.transforms[-1]
    image = make_image(256, 512)
    labels = image[..., 0] % 19
    for seed in range(3):
        np.random.seed(seed)
        ratio = np.random.random_sample() * (2 - 0.5) + 0.5
        np.random.seed(seed)
        found = resize(
            dict(img=image, gt_seg_map=labels, seg_fields=['gt_seg_map'])
        )
        longer, shorter = int(2048 * ratio), int(1024 * ratio)
        scale = min(longer / 512, shorter / 256)
        size = int(512 * scale + 0.5), int(256 * scale + 0.5)
        assert np.array_equal(found['img'], cv2.resize(image, size))
        nearest = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        assert np.array_equal(found['gt_seg_map'], nearest)
