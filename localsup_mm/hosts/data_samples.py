"""Labels as the heads of a host take them."""

from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from .image_size import find_transforms

__all__ = ['DATA_DEPENDENT', 'HOSTS', 'find_annotations', 'find_data_samples']

# of an image; more of them take more memory in assigners
_NUM_BOXES = 32
ANNOTATIONS = ('mask', 'seg')


def find_data_samples(
    host: str, annotations: Collection[str] = ANNOTATIONS
) -> Callable[[Sequence[int]], list]:
    """Find what makes labels for a batch of a host.

    They are the same each time: 32 boxes of several sizes, or class 0
    everywhere.

    Args:
        host (str): ``'mmseg'``, ``'mmdet'`` or ``'mmpretrain'``.
        annotations (Collection[str]): Of a detector's, which there are
            besides boxes, see :func:`find_annotations`. Defaults to all.

    Returns:
        Callable: Takes ``(B, 3, H, W)``, returns B data samples.

    Raises:
        ValueError: If no labels are known for this host.
    """
    if host not in _MAKERS:
        raise ValueError(
            f'`default_scope` should be one of {HOSTS}, but got '
            f'{host!r}. Set it in the config, or make a Workload yourself.'
        )
    make = _MAKERS[host]

    def make_data_samples(shape: Sequence[int]) -> list:
        samples = [make(tuple(shape[2:])) for _ in range(shape[0])]
        if host == 'mmdet':
            for sample in samples:
                if 'mask' not in annotations:
                    del sample.gt_instances.masks
                if 'seg' not in annotations:
                    del sample.gt_sem_seg
        return samples

    return make_data_samples


def _segment(size: tuple[int, int]) -> Any:
    cls = import_module('mmseg.structures').SegDataSample
    labels = torch.zeros(1, *size, dtype=torch.long)
    return cls(
        gt_sem_seg=PixelData(data=labels),
        # PIDNet's
        gt_edge_map=PixelData(data=labels),
        metainfo=_make_metainfo(size),
    )


def _classify(size: tuple[int, int]) -> Any:
    cls = import_module('mmpretrain.structures').DataSample
    return cls().set_gt_label(torch.zeros(1, dtype=torch.long))


def _detect(size: tuple[int, int]) -> Any:
    cls = import_module('mmdet.structures').DetDataSample
    bitmap = import_module('mmdet.structures.mask').BitmapMasks
    height, width = size
    # in a grid of 4 x 8, with sides from a twentieth to a half of the image
    i = torch.arange(_NUM_BOXES)
    left, top = i % 8 / 8 * width, i // 8 / 4 * height
    side = 0.05 + 0.45 * i / (_NUM_BOXES - 1)
    boxes = torch.stack(
        [
            left,
            top,
            (left + side * width).clamp(max=width),
            (top + side * height).clamp(max=height),
        ],
        1,
    )
    masks = np.ones((_NUM_BOXES, height, width), dtype=np.uint8)
    instances = InstanceData(
        bboxes=boxes,
        labels=torch.zeros(_NUM_BOXES, dtype=torch.long),
        masks=bitmap(masks, height, width),
    )
    return cls(
        gt_instances=instances,
        ignored_instances=InstanceData(
            bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long)
        ),
        gt_sem_seg=PixelData(sem_seg=torch.zeros(1, *size, dtype=torch.long)),
        metainfo=_make_metainfo(size),
    )


def _make_metainfo(size: tuple[int, int]) -> dict:
    return dict(
        img_shape=size,
        ori_shape=size,
        pad_shape=size,
        batch_input_shape=size,
        scale_factor=(1.0, 1.0),
    )


_MAKERS = {'mmdet': _detect, 'mmpretrain': _classify, 'mmseg': _segment}
HOSTS = tuple(_MAKERS)
# detectors assign boxes by the values that they predict
DATA_DEPENDENT = ('mmdet',)


def find_annotations(cfg: Config) -> tuple[str, ...]:
    """What a detector's config loads besides boxes.

    Args:
        cfg (Config): Of mmdet.

    Returns:
        tuple[str]: Of ``'mask'``, for each box, and ``'seg'``, a label map.
    """
    loaders = [t for t in find_transforms(cfg) if 'Annot' in str(t['type'])]
    # the default of that for panoptic segmentation is to load both
    return tuple(
        name
        for name in ANNOTATIONS
        if any(
            t.get(f'with_{name}', 'Panoptic' in str(t['type']))
            for t in loaders
        )
    )
