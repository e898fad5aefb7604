"""A cheap local loss for detection, on a map of classes."""

from collections.abc import Sequence
from typing import Any, Optional

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..norm import build_norm

__all__ = ['ClassMapHead', 'class_map']

IGNORED = -1


@MODELS.register_module()
class ClassMapHead(BaseModule):
    """Predict at each feature pixel the class of the instance there.

    It has no anchors and no boxes, but a 1x1 conv, a 3x3 conv and softmax
    cross-entropy over the classes and the background. This loss for detection
    and instance segmentation is our own; there is no paper.

    Args:
        in_channels (int): Channels of the features.
        num_classes (int): Number of classes, without the background.
        channels (int): Channels of the hidden convs. Defaults to 64.
        source (str): Area that an instance covers, ``'boxes'`` or ``'masks'``.
            Defaults to 'boxes'.
        in_index (int): Index of the level of the features. Defaults to -1.
        norm_cfg (dict, optional): Norm layer, as the hosts write it.
            Defaults to None: BatchNorm2d.
        loss_weight (float): lambda_2 in InfoPro. Defaults to 1.0.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple of ``(B, C, h, w)``.
        - loss_class_map: ``()``, mean over the pixels that are neither
          padding nor crowd, in nats.

    Raises:
        ValueError: If ``source`` is another word.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 64,
        source: str = 'boxes',
        in_index: int = -1,
        norm_cfg: Optional[dict] = None,
        loss_weight: float = 1.0,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        if source not in ('boxes', 'masks'):
            raise ValueError(
                "`source` of ClassMapHead should be 'boxes' or 'masks', but "
                f'got {source!r}. Choose one.'
            )
        self.num_classes = num_classes
        self.source = source
        self.in_index = in_index
        self.loss_weight = loss_weight
        self.convs = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False),
            build_norm(norm_cfg, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            build_norm(norm_cfg, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, num_classes + 1, 1),
        )

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Compute logits, ``(B, num_classes + 1, h, w)``, background last."""
        return self.convs(feats[self.in_index])

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: Sequence[Any]
    ) -> dict[str, Tensor]:
        """Compute the cross-entropy of a batch.

        Args:
            feats (tuple[Tensor]): ``(B, C, h, w)`` each.
            data_samples (Sequence[DetDataSample]): Labels with
                ``gt_instances``, ``img_shape`` and ``batch_input_shape``.

        Returns:
            dict[str, Tensor]: ``loss_class_map``, times ``loss_weight``.

        Raises:
            ValueError: If masks are asked for and a sample has none.
        """
        logits = self(feats)
        target = torch.stack(
            [
                class_map(
                    sample, logits.shape[-2:], self.num_classes, self.source
                )
                for sample in data_samples
            ]
        )
        # a sum: the mean of no pixel would be NaN
        loss = F.cross_entropy(
            logits.float(), target, ignore_index=IGNORED, reduction='sum'
        )
        loss = loss / (target != IGNORED).sum().clamp(min=1)
        return dict(loss_class_map=self.loss_weight * loss)


def class_map(
    sample: Any, size: Sequence[int], num_classes: int, source: str = 'boxes'
) -> Tensor:
    """Find the class of the smallest instance over the centre of each cell.

    Args:
        sample (DetDataSample): Labels of one image.
        size (Sequence[int]): h and w of the map; it covers the padded image,
            ``batch_input_shape``.
        num_classes (int): The number of the background.
        source (str): ``'boxes'`` or ``'masks'``. Defaults to 'boxes'.

    Returns:
        Tensor: ``(h, w)``, long; -1 in padding and where crowds are that no
        instance covers.

    Raises:
        ValueError: If masks are asked for and there are none.
    """
    h, w = size
    height, width = sample.batch_input_shape
    device = sample.gt_instances.labels.device
    ys = (torch.arange(h, device=device) + 0.5) * (height / h)
    xs = (torch.arange(w, device=device) + 0.5) * (width / w)
    result = torch.full((h, w), num_classes, device=device)
    crowds = getattr(sample, 'ignored_instances', None)
    if crowds is not None and len(crowds):
        inside = _cover(crowds, ys, xs, 'boxes')
        result[inside.any(0)] = IGNORED
    instances = sample.gt_instances
    if len(instances):
        inside = _cover(instances, ys, xs, source)
        areas = inside.sum((1, 2), keepdim=True).float()
        area, smallest = areas.masked_fill(~inside, torch.inf).min(0)
        labels = instances.labels[smallest]
        result = torch.where(area.isfinite(), labels, result)
    image_height, image_width = sample.img_shape[:2]
    result[ys >= image_height] = IGNORED
    result[:, xs >= image_width] = IGNORED
    return result


def _cover(instances: Any, ys: Tensor, xs: Tensor, source: str) -> Tensor:
    """Tell which cells' centres each instance covers, ``(n, h, w)``."""
    if source == 'boxes':
        boxes = instances.bboxes
        # a Tensor, or the host's boxes around one
        boxes = getattr(boxes, 'tensor', boxes)
        x1, y1, x2, y2 = boxes.T[:, :, None]
        across = (x1 <= xs) & (xs < x2)
        down = (y1 <= ys) & (ys < y2)
        return down[:, :, None] & across[:, None, :]
    if 'masks' not in instances:
        raise ValueError(
            "`source='masks'` of ClassMapHead should go with data that has "
            'masks, but got instances without. Set '
            "dict(type='LoadAnnotations', with_bbox=True, with_mask=True) in "
            "the pipeline, or source='boxes'."
        )
    masks = instances.masks.to_tensor(torch.bool, ys.device)
    ys, xs = ys.long(), xs.long()
    # beyond the mask is padding
    result = masks.new_zeros(len(masks), len(ys), len(xs))
    rows, columns = ys[ys < masks.shape[1]], xs[xs < masks.shape[2]]
    result[:, : len(rows), : len(columns)] = masks[:, rows][:, :, columns]
    return result
