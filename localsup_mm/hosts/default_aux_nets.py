"""Aux nets for a network that has none."""

from collections.abc import Sequence
from typing import Any, Optional, Union

from mmengine.config import Config
from mmengine.registry import MODELS

from .image_size import find_image_size

__all__ = ['default_aux_nets', 'find_num_classes']

# (width, stride at the finest) from large to small: half as wide and half the
# resolution in turns; the stride is in units of the first one
_SIZES = ((32, 1), (32, 2), (16, 2), (16, 4), (8, 4), (8, 8))
# sides of images that networks for CIFAR and its like are made for
_SMALL_IMAGE = 96


def default_aux_nets(
    cfg: Config, image_size: Optional[Sequence[int]] = None
) -> list[dict]:
    """Cheap aux nets for the network of a host's config, in several sizes.

    A decoder whose target is a small image, and a narrow head for the host's
    task with the classes of the network's own. Those of one size work at one
    resolution: features, target and labels of a finer one are averaged or
    thinned out. The largest cost a few percent of a ResNet-50 at each
    boundary; :class:`Planner` takes the first that the network can afford.

    Classifiers of small images have the aux nets of InfoPro on CIFAR first;
    where these cost too much, as in a wide network, those for large images
    at a finer stride follow.

    Args:
        cfg (Config): Of mmseg, mmdet or mmpretrain.
        image_size (Sequence[int], optional): H and W, in pixels. Defaults to
            None: see :func:`find_image_size`.

    Returns:
        list[dict]: From large to small, each with ``decoder``, ``aux_neck``,
        ``aux_head`` and other arguments of :func:`expand_local_modules`.

    Raises:
        ValueError: If the host or the number of classes is unknown.
    """
    host = cfg.get('default_scope')
    if host not in _MAKERS:
        raise ValueError(
            f'`default_scope` should be one of {sorted(_MAKERS)}, but got '
            f'{host!r}. Give the aux nets in local_modules yourself.'
        )
    num_classes = find_num_classes(cfg)
    size = image_size or find_image_size(cfg)
    is_small = host == 'mmpretrain' and max(size) <= _SMALL_IMAGE
    first = 1 if is_small else 4
    sizes = [
        _MAKERS[host](width, factor * first, num_classes)
        for width, factor in _SIZES
    ]
    if is_small:
        sizes[0].update(
            decoder=_make_decoder((12,), 'feature'),
            aux_neck=dict(type='ConvPool', num_convs=1, fc_channels=(128,)),
        )
    if host == 'mmpretrain' and _has_several_labels(cfg):
        for aux_nets in sizes:
            aux_nets['aux_head'].update(
                type='mmpretrain.MultiLabelLinearClsHead',
                loss=dict(
                    type='mmpretrain.CrossEntropyLoss', use_sigmoid=True
                ),
            )
    return sizes


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


def _has_several_labels(cfg: Config) -> bool:
    head = cfg.model.get('head')
    if not head:
        return False
    with MODELS.switch_scope_and_registry('mmpretrain') as registry:
        kind = registry.get(head.type)
    return any('MultiLabel' in cls.__name__ for cls in kind.__mro__)


def _make_decoder(
    channels: tuple[int, ...], stride: Union[int, str], **kwargs: Any
) -> dict[str, Any]:
    return dict(
        type='ReconstructionDecoder',
        channels=channels,
        target_stride=stride,
        **kwargs,
    )


def _segment(width: int, stride: int, num_classes: int) -> dict[str, Any]:
    norm = dict(type='SyncBN', requires_grad=True)
    return dict(
        decoder=_make_decoder((width, _narrow(width)), stride, norm_cfg=norm),
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


def _classify(width: int, stride: int, num_classes: int) -> dict[str, Any]:
    return dict(
        decoder=_make_decoder((width, _narrow(width)), stride),
        aux_neck=dict(
            type='ConvPool',
            num_convs=3,
            channels=(width, 2 * width, 8 * width),
            kernel_sizes=(1, 3, 1),
            strides=(1, 2, 1),
        ),
        aux_head=dict(
            type='mmpretrain.LinearClsHead',
            num_classes=num_classes,
            loss=dict(type='mmpretrain.CrossEntropyLoss'),
        ),
        min_stride=stride,
    )


def _detect(width: int, stride: int, num_classes: int) -> dict[str, Any]:
    return dict(
        decoder=_make_decoder((2 * width, width), stride, ignore_padding=True),
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
            loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True),
            train_cfg=dict(
                assigner=dict(type='ATSSAssigner', topk=9),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
        ),
        min_stride=stride,
    )


def _narrow(width: int) -> int:
    """Of a decoder's last hidden conv, as 12 behind 32."""
    return max(12 * width // 32, 8)


_MAKERS = {'mmdet': _detect, 'mmpretrain': _classify, 'mmseg': _segment}
