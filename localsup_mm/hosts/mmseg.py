"""MMSegmentation."""

import os.path as osp
from collections.abc import Sequence
from inspect import isclass, signature
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import METRICS, MODELS
from mmengine.structures import PixelData
from mmengine.utils import scandir
from torch import nn

from .aux_nets import make_decoder, narrow
from .config_parts import (
    find_head,
    find_parameter,
    iterate_parts,
    read_argument,
    to_plain,
)
from .dataset_files import check_folders, is_local, reads_labels
from .host import Host
from .known_hosts import register_host
from .label_map_check import check_label_maps
from .metainfo import make_metainfo
from .part_type import find_class, spell_type

__all__ = ['MMSegmentation']

# of a decode head: what its labels mean, not how it is built
_LABEL_ARGUMENTS = ('ignore_index', 'align_corners', 'sampler', 'threshold')

_TRAIN_IDS = '_gtFine_labelTrainIds.png'
_CITYSCAPES = (
    'Unpack leftImg8bit and gtFine of Cityscapes there, or make a small data '
    'set of the same layout, in a clone of the repository of localsup_mm: '
    'python demo/mini_cityscapes.py {root}'
)


@register_host
class MMSegmentation(Host):
    """Segmentation: a class for each pixel."""

    scope = 'mmseg'
    distribution = 'mmsegmentation'
    head_names = ('decode_head', 'auxiliary_head')
    result_heads = ('decode_head',)
    label_maps = ('gt_sem_seg',)

    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make a label map of class 0 everywhere."""
        from mmseg.structures import SegDataSample

        labels = torch.zeros(1, *size, dtype=torch.long)
        return SegDataSample(
            gt_sem_seg=PixelData(data=labels),
            # PIDNet's
            gt_edge_map=PixelData(data=labels),
            metainfo=make_metainfo(size),
        )

    def make_aux_net(
        self, width: int, stride: int, num_classes: int
    ) -> dict[str, Any]:
        """Make a decoder and an FCN head of one conv."""
        norm = dict(type='SyncBN', requires_grad=True)
        return dict(
            decoder=make_decoder(
                (width, narrow(width)), stride, norm_cfg=norm
            ),
            aux_neck=dict(
                type='ReductionNeck', out_channels=2 * width, norm_cfg=norm
            ),
            aux_head=dict(
                type='mmseg.FCNHead',
                channels=2 * width,
                num_convs=1,
                concat_input=False,
                num_classes=num_classes,
                norm_cfg=norm,
                loss_decode=dict(
                    type='mmseg.CrossEntropyLoss', avg_non_ignore=True
                ),
            ),
            label_stride=stride,
            min_stride=stride,
        )

    def follow_own_head(self, cfg: Config, aux_nets: dict) -> None:
        """Take over what a decode head does with its label maps.

        These are the label that it ignores, its sampler of pixels, whether
        it is binary, and those of its losses that compare logits of the
        classes with a label map.
        """
        own = find_head(cfg, self.result_heads) or {}
        # K-Net has its decode head inside
        parts = (p for p in iterate_parts(own) if 'loss_decode' in p)
        own, head = next(parts, own), aux_nets['aux_head']
        names = [*_LABEL_ARGUMENTS]
        if own.get('out_channels') == 1:
            names.append('out_channels')
        for name in names:
            default = read_argument(head, name, self.scope)
            value = read_argument(own, name, self.scope, default)
            if value != default:
                head[name] = value
        sampler = head.get('sampler') or {}
        if 'min_kept' in sampler:
            # of the pixels of an image, which are fewer
            kept = sampler['min_kept'] // aux_nets['label_stride'] ** 2
            sampler['min_kept'] = max(kept, 1)
        losses = to_plain(own.get('loss_decode') or [])
        losses = losses if isinstance(losses, list) else [losses]
        losses = [loss for loss in losses if self._follow_loss(loss)]
        if losses:
            head['loss_decode'] = losses if len(losses) > 1 else losses[0]

    def _follow_loss(self, loss: dict) -> bool:
        """Let a loss be that of an FCN head, and tell whether it can be."""
        cls = find_class(loss, MODELS, self.scope)
        if not isclass(cls) or not _takes_label_maps(cls):
            return False
        if find_parameter(cls, 'avg_non_ignore') is not None:
            loss.setdefault('avg_non_ignore', True)
        return True

    def reads_classes(self, head: nn.Module) -> bool:
        """Tell whether its logits of all classes meet its label map.

        Those of STDC's boundary head do not, nor those of a binary one.
        """
        from mmseg.models.decode_heads.decode_head import BaseDecodeHead

        if not isinstance(head, BaseDecodeHead):
            return True
        is_plain = type(head).loss_by_feat is BaseDecodeHead.loss_by_feat
        return is_plain and head.out_channels == head.num_classes > 1

    def compute_head_loss(
        self, head: nn.Module, feats: tuple, data_samples: Any
    ) -> dict:
        """Compute the losses of a head, most of which want a ``train_cfg``.

        They do not read it.
        """
        if 'train_cfg' in signature(head.loss).parameters:
            return head.loss(feats, data_samples, train_cfg=None)
        return head.loss(feats, data_samples)

    def check_dataset(self, dataset: dict, loader: str) -> None:
        """Check Cityscapes' label images besides the folders."""
        if spell_type(dataset).rsplit('.', 1)[-1] != 'CityscapesDataset':
            super().check_dataset(dataset, loader)
            return
        root = dataset.get('data_root') or ''
        check_folders(dataset, loader, _CITYSCAPES.format(root=root))
        labels = (dataset.get('data_prefix') or {}).get('seg_map_path')
        suffix = dataset.get('seg_map_suffix', _TRAIN_IDS)
        folder = osp.join(root, labels or '')
        if (
            labels
            and suffix.endswith(_TRAIN_IDS)
            and reads_labels(dataset)
            and is_local(dataset, folder)
            and not any(
                file.endswith(suffix)
                for file in scandir(folder, recursive=True)
            )
        ):
            raise FileNotFoundError(
                f'`{loader}.dataset.data_root` should hold label images '
                f'*{suffix}, but got {root!r} without any. '
                f'Run: CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs'
            )

    def check_labels(
        self, model: nn.Module, data_samples: Sequence[Any]
    ) -> None:
        """Check the label maps against the decode head."""
        check_label_maps(model, data_samples)

    def save_predictions(self, cfg: Config, out: str) -> None:
        """Let the metric of a test save its label maps, in a folder."""
        from mmseg.evaluation import IoUMetric

        evaluator = cfg.test_evaluator
        if (
            isinstance(evaluator, dict)
            and find_class(evaluator, METRICS, self.scope) is IoUMetric
        ):
            evaluator.update(output_dir=out, keep_results=True)
        else:
            super().save_predictions(cfg, out)


def _takes_label_maps(loss: type[nn.Module]) -> bool:
    """Check that a loss takes what an FCN head hands to it."""
    try:
        signature(loss.forward).bind(
            loss, 'logits', 'labels', weight=None, ignore_index=255
        )
    except TypeError:
        # the boundary loss of PIDNet, and those of DDRNet
        return False
    return True
