"""MMSegmentation."""

import os.path as osp
from inspect import signature
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import METRICS
from mmengine.structures import PixelData
from mmengine.utils import scandir
from torch import nn

from .aux_nets import make_decoder, narrow
from .dataset_files import check_folders
from .host import Host
from .known_hosts import register_host
from .metainfo import make_metainfo
from .part_type import find_class

__all__ = ['MMSegmentation']

_CITYSCAPES = (
    'Unpack leftImg8bit and gtFine of Cityscapes there, or make a small data '
    'set of the same layout: python demo/mini_cityscapes.py {root}'
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
        name = str(dataset.get('type')).rsplit('.', 1)[-1]
        if name != 'CityscapesDataset':
            super().check_dataset(dataset, loader)
            return
        root = dataset.get('data_root') or ''
        check_folders(dataset, loader, _CITYSCAPES.format(root=root))
        labels = (dataset.get('data_prefix') or {}).get('seg_map_path')
        suffix = dataset.get('seg_map_suffix', '_gtFine_labelTrainIds.png')
        if labels and not any(
            file.endswith(suffix)
            for file in scandir(osp.join(root, labels), recursive=True)
        ):
            raise FileNotFoundError(
                f'`{loader}.dataset.data_root` should hold label images '
                f'*_gtFine_labelTrainIds.png, but got {root!r} without any. '
                f'Run: CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs'
            )

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
