"""Overlaps of boxes, and what removes boxes by them."""

from ctypes import c_float

import torch
import torchvision
from torch import Tensor

from .precision import widen

__all__ = ['bbox_overlaps', 'nms', 'nms_match', 'softnms']


def bbox_overlaps(
    bboxes1: Tensor,
    bboxes2: Tensor,
    ious: Tensor,
    mode: int,
    aligned: bool,
    offset: int,
) -> None:
    """Write the overlap of boxes over their union or over the first box.

    Args:
        bboxes1 (Tensor): Boxes ``(N, 4)``, as left, top, right, bottom.
        bboxes2 (Tensor): Boxes ``(M, 4)``; ``M = N`` where `aligned`.
        ious (Tensor): What is written: ``(N,)`` where `aligned`, else
            ``(N, M)``.
        mode (int): 0 to divide by the union, 1 by the area of the first box.
        aligned (bool): Compare boxes of the same position only.
        offset (int): What a box is wider than right minus left, 0 or 1.
    """
    first, second = widen(bboxes1, bboxes2)
    if not aligned:
        first = first[:, None]
    overlap = _areas(
        torch.max(first[..., :2], second[..., :2]),
        torch.min(first[..., 2:], second[..., 2:]),
        offset,
    )
    divisor = _areas(first[..., :2], first[..., 2:], offset)
    if mode == 0:
        areas = _areas(second[..., :2], second[..., 2:], offset)
        divisor = divisor + areas - overlap
    ious.copy_(overlap / divisor)


def _areas(start: Tensor, end: Tensor, offset: int) -> Tensor:
    return (end - start + offset).clamp(min=0).prod(dim=-1)


def nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Find the boxes that overlap with no better one.

    Args:
        boxes (Tensor): Boxes ``(N, 4)``, as left, top, right, bottom.
        scores (Tensor): Scores ``(N,)``.
        iou_threshold (float): Overlap over union from which on a box goes.
        offset (int): What a box is wider than right minus left, 0 or 1.

    Returns:
        Tensor: The positions of the boxes kept, best first.
    """
    boxes, scores = widen(boxes, scores)
    # mmcv compares in float32
    iou_threshold = c_float(iou_threshold).value
    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores, iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Lower the score of boxes that overlap with a better one.

    Among equal scores the box given first comes first; mmcv has another
    order there.

    Args:
        boxes (Tensor): Boxes ``(N, 4)``, as left, top, right, bottom.
        scores (Tensor): Scores ``(N,)``.
        dets (Tensor): Boxes kept and their new scores ``(N, 5)``, of which
            as many rows are written as are returned.
        iou_threshold (float): Overlap over union from which on the methods
            0 and 1 lower a score.
        sigma (float): Width of the curve of method 2.
        min_score (float): Boxes whose score falls below it go.
        method (int): 0 for scores of zero, 1 for ``1 - iou`` times the
            score, 2 for ``exp(-iou ** 2 / sigma)`` times the score.
        offset (int): What a box is wider than right minus left, 0 or 1.

    Returns:
        Tensor: The positions of the boxes kept, best first.
    """
    boxes, scores = widen(boxes, scores)
    iou_threshold = c_float(iou_threshold).value
    left = torch.arange(len(boxes))
    order = []
    while len(left):
        best = scores.argmax()
        dets[len(order), :4] = boxes[best]
        dets[len(order), 4] = scores[best]
        order.append(left[best])
        others = torch.arange(len(left)) != best
        ious = scores.new_empty((1, len(left)))
        bbox_overlaps(boxes[best, None], boxes, ious, 0, False, offset)
        iou = ious[0, others]
        if method == 2:
            weight = (-(iou**2) / sigma).exp()
        else:
            weight = 1 - iou if method == 1 else torch.zeros_like(iou)
            weight = weight.where(iou >= iou_threshold, 1.0)
        boxes, left = boxes[others], left[others]
        scores = scores[others] * weight
        kept = ~(scores < min_score)
        boxes, left, scores = boxes[kept], left[kept], scores[kept]
    return torch.stack(order) if order else left


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Put each box that overlaps with a better one to that one.

    Args:
        dets (Tensor): Boxes and scores ``(N, 5)``.
        iou_threshold (float): Overlap over union from which on they match.

    Returns:
        list[list[int]]: Positions of a box kept and of those put to it, best
        first.
    """
    (dets,) = widen(dets)
    iou_threshold = c_float(iou_threshold).value
    boxes, scores = dets[:, :4], dets[:, 4]
    left = scores.argsort(descending=True, stable=True)
    groups = []
    while len(left):
        best, left = left[:1], left[1:]
        ious = scores.new_empty((1, len(left)))
        bbox_overlaps(boxes[best], boxes[left], ious, 0, False, 0)
        matched = ious[0] >= iou_threshold
        groups.append([*best.tolist(), *left[matched].tolist()])
        left = left[~matched]
    return groups
