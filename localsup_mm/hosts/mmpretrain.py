"""MMPretrain."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS

from .aux_nets import make_decoder, narrow
from .host import Host
from .known_hosts import register_host
from .part_type import find_class

__all__ = ['MMPretrain']

# sides of images that networks for CIFAR and its like are made for, in pixels
_SMALL_IMAGE = 96


@register_host
class MMPretrain(Host):
    """Classification: a class for each image."""

    scope = 'mmpretrain'
    distribution = 'mmpretrain'
    context_supply = MappingProxyType(dict(mode='r1e', pool_first=False))

    def make_data_sample(self, cfg: Config, size: tuple[int, int]) -> Any:
        """Make a label of class 0."""
        from mmpretrain.structures import DataSample

        return DataSample().set_gt_label(torch.zeros(1, dtype=torch.long))

    def make_aux_net(
        self, width: int, stride: int, num_classes: int
    ) -> dict[str, Any]:
        """Make a decoder and a classifier of three convs."""
        return dict(
            decoder=make_decoder((width, narrow(width)), stride),
            aux_neck=dict(
                type='ConvPool',
                num_convs=3,
                channels=(width, 2 * width, 8 * width),
                kernel_sizes=(1, 3, 1),
                strides=(1, 2, 1),
            ),
            aux_head=_make_head(num_classes),
            min_stride=stride,
        )

    def find_first_stride(self, image_size: Sequence[int]) -> int:
        """Find the finest stride: 1 for small images, else 4."""
        return 1 if max(image_size) <= _SMALL_IMAGE else 4

    def make_default_aux_nets(
        self, cfg: Config, image_size: Optional[Sequence[int]] = None
    ) -> list[dict]:
        """Make aux nets; small images get those of InfoPro on CIFAR first.

        Where these cost too much, as in a wide network, those for large
        images at a finer stride follow.
        """
        image_size = image_size or self.find_image_size(cfg)
        sizes = super().make_default_aux_nets(cfg, image_size)
        if self.find_first_stride(image_size) == 1:
            sizes[0].update(
                decoder=make_decoder((12,), 'feature'),
                aux_neck=dict(
                    type='ConvPool', num_convs=1, fc_channels=(128,)
                ),
            )
        if _has_several_labels(cfg):
            for aux_nets in sizes:
                aux_nets['aux_head'].update(
                    type='mmpretrain.MultiLabelLinearClsHead',
                    loss=dict(
                        type='mmpretrain.CrossEntropyLoss', use_sigmoid=True
                    ),
                )
        return sizes

    def make_aux_nets(
        self, cfg: Config, method: str, image_size: Sequence[int]
    ) -> tuple[list[dict], Optional[dict]]:
        """Make aux nets and context of a method, DGL's included."""
        if method != 'dgl':
            return super().make_aux_nets(cfg, method, image_size)
        aux_nets = dict(
            aux_neck=dict(type='MLPSRNeck', num_convs=3, num_fcs=3),
            aux_head=_make_head(self.find_num_classes(cfg)),
        )
        return [aux_nets], None

    def check_dataset(self, dataset: dict, loader: str) -> None:
        """Name a corrupt file, which CIFAR would download again."""
        cls = find_class(dataset, DATASETS, self.scope)
        folder: Any = getattr(cls, 'base_folder', None)
        files = [
            *getattr(cls, 'train_list', []),
            *getattr(cls, 'test_list', []),
        ]
        if folder is None:
            files = []
        for name, md5 in files:
            path = Path(dataset.get('data_root') or '', folder, name)
            if not path.is_file():
                continue
            found = hashlib.md5(path.read_bytes()).hexdigest()
            if found != md5:
                raise ValueError(
                    f'`{path}` should have md5 {md5!r}, but got {found!r}. '
                    'It is incomplete or another file: delete it, and the '
                    'next run downloads the data set again.'
                )
        super().check_dataset(dataset, loader)


def _make_head(num_classes: int) -> dict[str, Any]:
    return dict(
        type='mmpretrain.LinearClsHead',
        num_classes=num_classes,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    )


def _has_several_labels(cfg: Config) -> bool:
    head = cfg.model.get('head')
    if not head:
        return False
    kind = find_class(head, MODELS, 'mmpretrain')
    return any('MultiLabel' in cls.__name__ for cls in kind.__mro__)
