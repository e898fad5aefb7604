"""Aux nets for a network that has none."""

from collections.abc import Sequence
from typing import Any, Optional

from mmengine.config import Config

from .image_size import find_image_size

__all__ = ['default_aux_nets', 'find_num_classes']

# sides of images that networks for CIFAR and its like are made for
_SMALL = 96


def default_aux_nets(
    cfg: Config, image_size: Optional[Sequence[int]] = None
) -> dict:
    """Cheap aux nets for the network of a host's config.

    A decoder whose target is a small image, and a narrow head for the host's
    task with the classes of the network's own. They are sized so that their
    compute is a few percent of the network's at each boundary; the rest of
    their sizes comes from the trace.

    Args:
        cfg (Config): Of mmseg, mmdet or mmpretrain.
        image_size (Sequence[int], optional): H and W, in pixels. Defaults to
            None: see :func:`find_image_size`.

    Returns:
        dict: ``decoder``, ``aux_neck``, ``aux_head`` and other arguments of
        :func:`expand_local_modules`.

    Raises:
        ValueError: If the host or the number of classes is unknown.
    """
    host = cfg.get('default_scope')
    if host not in _MAKERS:
        raise ValueError(
            f'`default_scope` should be one of {sorted(_MAKERS)}, but got '
            f'{host!r}. Give the aux nets in local_modules yourself.'
        )
    size = image_size or find_image_size(cfg)
    aux_nets = _MAKERS[host](size, find_num_classes(cfg))
    if 'MultiLabel' in str((cfg.model.get('head') or {}).get('type')):
        aux_nets['aux_head'].update(
            type='mmpretrain.MultiLabelLinearClsHead',
            loss=dict(type='mmpretrain.CrossEntropyLoss', use_sigmoid=True),
        )
    return aux_nets


def find_num_classes(cfg: Config) -> int:
    """Number of classes of a network's own head.

    Args:
        cfg (Config): Of mmseg, mmdet or mmpretrain.

    Returns:
        int: Without a detector's background.

    Raises:
        ValueError: If no head says it.
    """
    model = cfg.model
    heads = [
        model.get('decode_head'),
        (model.get('roi_head') or {}).get('bbox_head'),
        model.get('bbox_head'),
        model.get('panoptic_head'),
        model.get('head'),
    ]
    for head in heads:
        # cascades have several, the last is that of the result
        head = head[-1] if isinstance(head, (list, tuple)) else head
        for name in ('num_classes', 'num_things_classes'):
            if head and head.get(name):
                return head[name]
    # in a part of a head, or VGG's, whose backbone holds the classifier
    for numbers in (_find_all(heads), _find_all(model)):
        if numbers:
            return max(numbers)
    raise ValueError(
        '`model` should have a head with num_classes, but got '
        f'{sorted(model)}. Give the aux nets in local_modules yourself.'
    )


def _find_all(cfg: Any) -> list[int]:
    found = []
    if isinstance(cfg, dict):
        found = [v for k, v in cfg.items() if k == 'num_classes' and v]
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        found += [number for value in cfg for number in _find_all(value)]
    return found


def _segment(size: Sequence[int], num_classes: int) -> dict[str, Any]:
    norm = dict(type='SyncBN', requires_grad=True)
    return dict(
        decoder=dict(
            type='ReconstructionDecoder',
            channels=(32, 12),
            target_stride=4,
            norm_cfg=norm,
        ),
        aux_neck=dict(type='ReductionNeck', out_channels=64, norm_cfg=norm),
        aux_head=dict(
            type='mmseg.FCNHead',
            channels=64,
            num_convs=1,
            concat_input=False,
            num_classes=num_classes,
            norm_cfg=norm,
            loss_decode=dict(
                type='mmseg.CrossEntropyLoss', avg_non_ignore=True
            ),
        ),
        label_stride=4,
    )


def _classify(size: Sequence[int], num_classes: int) -> dict[str, Any]:
    if max(size) <= _SMALL:
        decoder: dict = dict(channels=(12,), target_stride='feature')
        neck = dict(num_convs=1, fc_channels=(128,))
    else:
        decoder = dict(channels=(32, 12), target_stride=4)
        neck = dict(
            num_convs=3,
            channels=(32, 64, 256),
            kernel_sizes=(1, 3, 1),
            strides=(1, 2, 1),
        )
    return dict(
        decoder=dict(type='ReconstructionDecoder', **decoder),
        aux_neck=dict(type='ConvPool', **neck),
        aux_head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=num_classes,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
    )


def _detect(size: Sequence[int], num_classes: int) -> dict[str, Any]:
    return dict(
        decoder=dict(
            type='ReconstructionDecoder',
            channels=(64, 32),
            target_stride=4,
            ignore_padding=True,
        ),
        aux_neck=dict(type='ReductionNeck', out_channels=64),
        aux_head=dict(
            type='mmdet.ATSSHead',
            num_classes=num_classes,
            feat_channels=64,
            stacked_convs=1,
            anchor_generator=dict(
                type='AnchorGenerator',
                ratios=[1.0],
                octave_base_scale=8,
                scales_per_octave=1,
            ),
            loss_cls=dict(type='FocalLoss', use_sigmoid=True),
            loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
            loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True),
            train_cfg=dict(
                assigner=dict(type='ATSSAssigner', topk=9),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
        ),
    )


_MAKERS = {'mmdet': _detect, 'mmpretrain': _classify, 'mmseg': _segment}
