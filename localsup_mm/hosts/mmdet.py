"""MMDetection."""

import inspect
import os.path as osp
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData
from torch import nn

from .aux_nets import make_decoder
from .coco_categories import check_categories
from .config_parts import iterate_parts
from .dataset_files import (
    check_folders,
    is_local,
)
from .host import Host
from .image_size import find_transforms
from .known_hosts import register_host
from .metainfo import make_metainfo
from .part_type import find_class, spell_type

__all__ = ['MMDetection', 'find_annotations']

# of an image; more of them take more memory in assigners
_NUM_BOXES = 32
# of an image, where a config loads all that a file has
_NUM_PROPOSALS = 2000
_COCO = (
    'Download train2017.zip, val2017.zip and annotations_trainval2017.zip '
    'from https://cocodataset.org/#download and unpack them there, or set '
    'data_root to where they are.'
)


@register_host
class MMDetection(Host):
    """Detection: boxes, and for some networks masks or a label map."""

    scope = 'mmdet'
    distribution = 'mmdet'
    head_names = ('bbox_head', 'mask_head')
    result_heads = ('roi_head.bbox_head', 'bbox_head', 'panoptic_head')
    # detectors assign boxes by the values that they predict
    reads_values = True

    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make 32 boxes of several sizes, and what else the config loads."""
        from mmdet.structures import DetDataSample
        from mmdet.structures.mask import BitmapMasks

        annotations = find_annotations(cfg)
        instances = InstanceData(
            bboxes=_make_boxes(*size),
            labels=torch.zeros(_NUM_BOXES, dtype=torch.long),
        )
        if 'mask' in annotations:
            masks = np.ones((_NUM_BOXES, *size), dtype=np.uint8)
            instances.masks = BitmapMasks(masks, *size)
        sample = DetDataSample(
            gt_instances=instances,
            ignored_instances=InstanceData(
                bboxes=torch.zeros(0, 4),
                labels=torch.zeros(0, dtype=torch.long),
            ),
            metainfo=make_metainfo(size),
        )
        number = _count_proposals(cfg)
        if number:
            repeats = -(-number // _NUM_BOXES)
            sample.proposals = InstanceData(
                bboxes=_make_boxes(*size).repeat(repeats, 1)[:number],
                scores=torch.zeros(number),
            )
        if 'seg' in annotations:
            labels = torch.zeros(1, *size, dtype=torch.long)
            sample.gt_sem_seg = PixelData(sem_seg=labels)
        return sample

    def make_aux_net(
        self, width: int, stride: int, num_classes: int
    ) -> dict[str, Any]:
        """Make a decoder and an ATSS head of one conv."""
        return dict(
            decoder=make_decoder(
                (2 * width, width), stride, ignore_padding=True
            ),
            aux_neck=dict(type='ReductionNeck', out_channels=2 * width),
            aux_head=dict(
                type='mmdet.ATSSHead',
                num_classes=num_classes,
                feat_channels=2 * width,
                stacked_convs=1,
                # two channels a group, at any width
                norm_cfg=dict(type='GN', num_groups=width, requires_grad=True),
                anchor_generator=dict(
                    type='AnchorGenerator',
                    ratios=[1.0],
                    octave_base_scale=8,
                    scales_per_octave=1,
                ),
                loss_cls=dict(type='FocalLoss', use_sigmoid=True),
                loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
                loss_centerness=dict(
                    type='CrossEntropyLoss', use_sigmoid=True
                ),
                train_cfg=dict(
                    assigner=dict(type='ATSSAssigner', topk=9),
                    allowed_border=-1,
                    pos_weight=-1,
                    debug=False,
                ),
            ),
            min_stride=stride,
        )

    def follow_own_head(self, cfg: Config, aux_nets: dict) -> None:
        """Take over that crowds, and groups of things, are no background."""
        for part in iterate_parts(cfg.model):
            threshold = part.get('ignore_iof_thr') or -1
            if threshold > 0:
                assigner = aux_nets['aux_head']['train_cfg']['assigner']
                assigner['ignore_iof_thr'] = threshold
                return

    def reads_classes(self, head: nn.Module) -> bool:
        """Tell whether its labels are classes of the data set.

        Those of a grounding head are places in a text; a mask head may have
        one mask for any class.
        """
        if getattr(head, 'class_agnostic', False):
            return False
        loss = getattr(head, 'loss', None)
        arguments = (
            ' '.join(inspect.signature(loss).parameters) if loss else ''
        )
        return 'text' not in arguments and 'language' not in arguments

    def check_made_up(self, cfg: Config) -> None:
        """Refuse to make up the clips that a model of videos takes."""
        from mmdet.models import TrackDataPreprocessor

        preprocessor = cfg.model.get('data_preprocessor') or {}
        cls = find_class(preprocessor, MODELS, self.scope)
        if inspect.isclass(cls) and issubclass(cls, TrackDataPreprocessor):
            raise ValueError(
                '`model` should learn from images, where its step is '
                f'simulated, but got {spell_type(cfg.model)}, whose '
                f'{cls.__name__} takes clips of videos. Set its '
                'local_modules yourself, each with a boundary and a decoder.'
            )

    def check_dataset(self, dataset: dict, loader: str) -> None:
        """Check COCO's annotations besides the folders."""
        if spell_type(dataset).rsplit('.', 1)[-1] != 'CocoDataset':
            super().check_dataset(dataset, loader)
            return
        folders = dict(dataset.get('data_prefix') or {})
        if 'seg' not in _find_loaded(dataset.get('pipeline') or []):
            # many configs name this folder, but few pipelines load it
            folders.pop('seg', None)
        check_folders(dict(dataset, data_prefix=folders), loader, _COCO)
        path = osp.join(
            dataset.get('data_root') or '', dataset.get('ann_file') or ''
        )
        if not is_local(dataset, path):
            return
        if not osp.isfile(path):
            raise FileNotFoundError(
                f'`{loader}.dataset.ann_file` should be a file, but got '
                f'{path!r}. {_COCO}'
            )
        check_categories(dataset, loader, path, self.scope)


def find_annotations(cfg: Config) -> tuple[str, ...]:
    """Find what a detector's config loads besides boxes.

    Args:
        cfg (Config): The config of a training.

    Returns:
        tuple[str]: ``'mask'``, for each box, and ``'seg'``, a label map, as
        far as they are loaded.
    """
    return _find_loaded(find_transforms(cfg))


def _find_loaded(transforms: Iterable[dict]) -> tuple[str, ...]:
    loaders = [t for t in transforms if 'Annot' in str(t['type'])]
    # the default of that for panoptic segmentation is to load both
    return tuple(
        name
        for name in ('mask', 'seg')
        if any(
            t.get(f'with_{name}', 'Panoptic' in str(t['type']))
            for t in loaders
        )
    )


def _count_proposals(cfg: Config) -> int:
    """Count the boxes that are loaded in place of those of an RPN."""
    for transform in find_transforms(cfg):
        if str(transform['type']).endswith('LoadProposals'):
            return transform.get('num_max_proposals') or _NUM_PROPOSALS
    return 0


def _make_boxes(height: int, width: int) -> torch.Tensor:
    # in a grid of 4 x 8, with sides from a twentieth to a half of the image
    i = torch.arange(_NUM_BOXES)
    left, top = i % 8 / 8 * width, i // 8 / 4 * height
    side = 0.05 + 0.45 * i / (_NUM_BOXES - 1)
    right = (left + side * width).clamp(max=width)
    bottom = (top + side * height).clamp(max=height)
    return torch.stack([left, top, right, bottom], 1)
