"""A look at label maps of segmentation."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .report import is_of_package, report

__all__ = ['check_label_maps']


def check_label_maps(model: nn.Module, data_samples: Sequence[Any]) -> None:
    """Check label maps against the decode head of a model of mmseg.

    Args:
        model (nn.Module): The bare model.
        data_samples (Sequence[Any]): Those of a batch.

    Raises:
        SetupError: If a loss of the head would fail on them.
    """
    head: Any = getattr(model, 'decode_head', None)
    # the last of a cascade
    head = head[-1] if isinstance(head, nn.ModuleList) else head
    number = getattr(head, 'num_classes', None)
    labels = [s for s in data_samples if 'gt_sem_seg' in s]
    if not isinstance(number, int) or not labels:
        return
    # one logit tells two classes apart
    number = 2 if getattr(head, 'out_channels', None) == 1 else number
    losses = _find_cross_entropies(model, head)
    for sample in labels:
        shape = tuple(sample.gt_sem_seg.data.shape)
        if len(shape) != 3 or shape[0] != 1:
            report(
                '`seg_map_path` should have one channel with the id of a '
                f'class at each pixel, but got {_name(sample)} with labels '
                f'of shape {shape} instead of (1, H, W): colours, perhaps. '
                'Write label images of ids.',
                # several labels of a pixel have a channel for each class
                is_certain=any(
                    not m.use_sigmoid or shape[0] != number for m in losses
                ),
            )
            return
    ignored = getattr(head, 'ignore_index', None)
    for sample in labels:
        ids = sample.gt_sem_seg.data.unique().tolist()
        outside = [i for i in ids if i >= number and i != ignored]
        if outside:
            report(
                f'`seg_map_path` should have ids of the {number} classes of '
                f'the head, 0 to {number - 1}, or {ignored}, which is '
                f'ignored, but got {_name(sample)} with {outside[:5]}. Map '
                'them when you write the label images, or name more classes: '
                "metainfo=dict(classes=(...)) and the heads' num_classes. If "
                '0 stands for no class, set reduce_zero_label=True.',
                is_certain=bool(losses),
            )
            return
    ids = torch.cat([s.gt_sem_seg.data.unique() for s in labels]).unique()
    seen = ids[ids != ignored].tolist() if ignored is not None else []
    if number == 2 and len(seen) == 1 and len(ids) == 2:
        report(
            f'`seg_map_path` should have ids of both classes, 0 and 1, but '
            f'got {ids.tolist()} in all of the first {len(labels)} images, '
            f'of which {ignored} is ignored. If {ignored} stands for class '
            f'{1 - seen[0]}, write {1 - seen[0]} in its place.',
            is_certain=False,
        )


def _find_cross_entropies(model: nn.Module, head: nn.Module) -> list[Any]:
    """Find the losses that fail for another id, if nothing changes labels."""
    data_preprocessor: Any = getattr(model, 'data_preprocessor', None)
    if not is_of_package('mmseg', model, head, data_preprocessor):
        return []
    return [
        module
        for module in head.modules()
        if type(module).__name__ == 'CrossEntropyLoss'
        and is_of_package('mmseg', module)
        and not module.use_mask
    ]


def _name(sample: Any) -> str:
    path = sample.metainfo.get('seg_map_path')
    return repr(path) if path else 'an image'
