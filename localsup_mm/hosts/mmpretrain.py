"""MMPretrain."""

import hashlib
import inspect
import os.path as osp
import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from torch import nn

from .aux_nets import make_decoder, narrow
from .config_parts import find_head, read_argument
from .dataset_files import is_local
from .downloads import find_network_error
from .host import Host
from .known_hosts import register_host
from .part_type import find_class
from .report import is_of_package, report

__all__ = ['MMPretrain']

# sides of images that networks for CIFAR and its like are made for, in pixels
_SMALL_IMAGE = 96
# losses that fail for an id that is of no class
_STRICT = ('CrossEntropyLoss', 'LabelSmoothLoss')


@register_host
class MMPretrain(Host):
    """Classification: a class for each image."""

    scope = 'mmpretrain'
    distribution = 'mmpretrain'
    context_supply = MappingProxyType(dict(mode='r1e', pool_first=False))
    sampled_blocks = MappingProxyType(dict(pool=True))

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
        self.follow_own_head(cfg, aux_nets)
        return [aux_nets], None

    def follow_own_head(self, cfg: Config, aux_nets: dict) -> None:
        """Take over the loss, and whether an image has several labels.

        Label smoothing, class weights and soft labels are in the loss.
        """
        own = find_head(cfg, self.result_heads) or {}
        kinds = {cls.__name__ for cls in _find_bases(own)}
        head = aux_nets['aux_head']
        if 'MultiLabelClsHead' in kinds:
            head['type'] = 'mmpretrain.MultiLabelLinearClsHead'
        elif 'ClsHead' not in kinds:
            return
        loss = read_argument(own, 'loss', self.scope)
        if isinstance(loss, dict):
            head['loss'] = loss

    def report_accuracy(self, aux_head: dict) -> None:
        """Let a head of one class for each image report its accuracy."""
        if aux_head['type'] == 'mmpretrain.LinearClsHead':
            aux_head['cal_acc'] = True

    def check_dataset(self, dataset: dict, loader: str) -> None:
        """Check that files of CIFAR are there, or can be downloaded."""
        cls: Any = find_class(dataset, DATASETS, self.scope)
        prefix = dataset.get('data_prefix') or ''
        # a dict for other data sets
        prefix = prefix if isinstance(prefix, str) else ''
        root = osp.join(dataset.get('data_root') or '', prefix)
        if hasattr(cls, 'tgz_md5') and is_local(dataset, root):
            wrong = _find_wrong_file(cls, Path(root))
            can_download = dataset.get('download', True)
            reason = wrong and (
                # the host tries the second where the first fails
                find_network_error(cls.url)
                and find_network_error(cls.url.replace('https:', 'http:'))
                if can_download
                else 'download=False'
            )
            if reason:
                raise FileNotFoundError(
                    f'`{loader}.dataset.data_root` should hold '
                    f'{cls.__name__}, but got {root!r} with {wrong}, and '
                    f'{cls.url} is not downloaded ({reason}). Get that file '
                    'and put it there.'
                )
        super().check_dataset(dataset, loader)

    def check_made_up(self, cfg: Config) -> None:
        """Refuse to make up what a model takes that learns without labels.

        It may take several views of an image, masks or targets.
        """
        from mmpretrain.models.selfsup import BaseSelfSupervisor

        cls = find_class(cfg.model, MODELS, self.scope)
        if inspect.isclass(cls) and issubclass(cls, BaseSelfSupervisor):
            raise ValueError(
                '`model` should learn from images and labels, where its step '
                f'is simulated, but got {cls.__name__}, which learns without '
                'labels. One that compares views of an image can be trained: '
                'set its local_modules yourself, each with a boundary and a '
                'decoder. A backbone that takes masks has no boundary.'
            )

    def check_labels(
        self, model: nn.Module, data_samples: Sequence[Any]
    ) -> None:
        """Check that labels are of classes of the head."""
        head: Any = getattr(model, 'head', None)
        number = getattr(head, 'num_classes', None) or sys.maxsize
        labels = [
            (label, s.metainfo.get('img_path', 'an image'))
            for s in data_samples
            if 'gt_label' in s and 'gt_score' not in s
            for label in torch.as_tensor(s.gt_label).flatten().tolist()
        ]
        outside = [pair for pair in labels if pair[0] >= number]
        if outside:
            loss: Any = getattr(head, 'loss_module', None)
            data_preprocessor: Any = getattr(model, 'data_preprocessor', None)
            report(
                f'`gt_label` should be the id of one of the {number} classes '
                f'of the head, 0 to {number - 1}, but got {outside[0][0]} of '
                f'{outside[0][1]!r}. Count classes from 0, or set '
                'num_classes of the heads.',
                is_certain=type(loss).__name__ in _STRICT
                and is_of_package(
                    'mmpretrain', model, head, loss, data_preprocessor
                ),
            )


def _find_wrong_file(cls: Any, root: Path) -> Optional[str]:
    """Find a file of CIFAR that is missing or has another checksum.

    If the archive is there, it is unpacked.
    """
    if _has_md5(root / cls.filename, cls.tgz_md5):
        return None
    for name, md5 in [*cls.train_list, *cls.test_list]:
        path = Path(cls.base_folder, name)
        if not (root / path).is_file():
            return f'no {str(path)!r}'
        if not _has_md5(root / path, md5):
            return f'a corrupt {str(path)!r}'
    return None


def _has_md5(path: Path, md5: str) -> bool:
    if not path.is_file():
        return False
    return hashlib.md5(path.read_bytes()).hexdigest() == md5


def _make_head(num_classes: int) -> dict[str, Any]:
    return dict(
        type='mmpretrain.LinearClsHead',
        num_classes=num_classes,
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
    )


def _find_bases(head: dict) -> tuple[type, ...]:
    cls = find_class(head, MODELS, MMPretrain.scope)
    return cls.__mro__ if inspect.isclass(cls) else ()
