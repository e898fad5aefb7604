"""A random batch as a data loader of a host yields it."""

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData
from torch import nn

NUM_BOXES = 8


def make_batch(
    host: str, model: nn.Module, num_images: int, size: tuple[int, int]
) -> dict:
    """Random images and labels.

    Args:
        host (str): One of ``HOSTS``.
        model (nn.Module): Of that host; says how many classes there are.
        num_images (int): B.
        size (tuple[int, int]): H and W, in pixels.

    Returns:
        dict: B ``inputs``, each ``(3, H, W)`` of uint8, and B
        ``data_samples``.
    """
    return dict(
        inputs=list(
            torch.randint(256, (num_images, 3, *size), dtype=torch.uint8)
        ),
        data_samples=make_data_samples(host, model, num_images, size),
    )


def make_data_samples(
    host: str, model: nn.Module, num_images: int, size: tuple[int, int]
) -> list:
    """Random labels, as the heads of a host take them.

    Args:
        host (str): As :func:`make_batch`.
        model (nn.Module): As :func:`make_batch`.
        num_images (int): B.
        size (tuple[int, int]): H and W, in pixels.

    Returns:
        list: B data samples of the host.
    """
    numbers = [getattr(m, 'num_classes', None) or 0 for m in model.modules()]
    # a region proposal network has 1: object or not
    num_classes = min((n for n in numbers if n > 1), default=1)
    return [_MAKE_SAMPLE[host](num_classes, size) for _ in range(num_images)]


def _make_segmentation_sample(num_classes: int, size: tuple[int, int]):
    """A class or 255, to be ignored, for each pixel."""
    from mmseg.structures import SegDataSample

    labels = torch.randint(num_classes + 1, (1, *size))
    labels[labels == num_classes] = 255
    return SegDataSample(
        gt_sem_seg=PixelData(data=labels), metainfo=_make_metainfo(size)
    )


def _make_classification_sample(num_classes: int, size: tuple[int, int]):
    """A class for each image."""
    from mmpretrain.structures import DataSample

    return DataSample().set_gt_label(torch.randint(num_classes, (1,)))


def _make_detection_sample(num_classes: int, size: tuple[int, int]):
    """Boxes of a tenth to a half of each side, with filled masks."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks

    top_left = 0.8 * torch.rand(NUM_BOXES, 2)
    sides = 0.1 + 0.4 * torch.rand(NUM_BOXES, 2)
    corners = torch.cat([top_left, (top_left + sides).clamp(max=1)], 1)
    height, width = size
    boxes = corners * torch.tensor([width, height] * 2)
    masks = np.zeros((NUM_BOXES, *size), dtype=np.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist()):
        mask[top:bottom, left:right] = 1
    instances = InstanceData(
        bboxes=boxes,
        labels=torch.randint(num_classes, (NUM_BOXES,)),
        masks=BitmapMasks(masks, *size),
    )
    return DetDataSample(gt_instances=instances, metainfo=_make_metainfo(size))


def _make_metainfo(size: tuple[int, int]) -> dict:
    return dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))


_MAKE_SAMPLE = {
    'mmdet': _make_detection_sample,
    'mmpretrain': _make_classification_sample,
    'mmseg': _make_segmentation_sample,
}
HOSTS = tuple(_MAKE_SAMPLE)
