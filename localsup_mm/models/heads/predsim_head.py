"""The aux head that compares similarities beside predicting labels."""

import math
from typing import Any, Optional

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from .hard_labels import stack_hard_labels

__all__ = ['PredSimHead', 'similarity_matching_loss']


@MODELS.register_module()
class PredSimHead(BaseModule):
    """Predict the label, and let images be as similar as their labels are.

    The prediction loss asks the features for classes that a linear layer
    can tell apart; the similarity matching loss asks only that images of one
    class lie together, through a conv of its own. The head is unused at
    inference.

    The linear layer starts at zero and sees the features averaged over
    windows that are doubled, height before width, until at most
    ``max_features`` numbers are left. It is built for ``max_features``
    inputs, since the size of the features is not known then; the columns
    beyond those in use get zero gradients and stay zero. All images should
    have one size, as everywhere in training on a data set like CIFAR.

    Source: `Training Neural Networks with Local Error Signals
    <https://arxiv.org/abs/1901.06656>`_, ICML 2019; authors' code
    ``train.py``, ``LocalLossBlockConv``. Differences: the bias of the linear
    layer starts at zero too; rows of features without variance have a zero
    gradient, not NaN; similarities are in float32 under autocast. The authors
    weigh the cross-entropy of the network's own head by ``1 - beta``, too,
    which is up to the config here: ``loss_weight`` of that head's loss.

    Args:
        in_channels (int): Channels of the features at the boundary.
        num_classes (int): Classes of the data set.
        beta (float): Share of the similarity matching loss; the prediction
            loss has the rest. 0 is the authors' ``pred``, 1 their ``sim``.
            Defaults to 0.99.
        max_features (int): Numbers per image that the linear layer sees; the
            authors have 2048 for VGG8b on CIFAR-10, else 4096. Never less
            than ``in_channels``. Defaults to 2048.
        loss_weight (float): Weight of both losses. Defaults to 1.0.
        init_cfg (dict, optional): Initialization. Defaults to None: PyTorch's
            for the conv, zero for the linear layer.

    Shape:
        - feats: tuple, the last ``(B, C, h, w)``, or ``(B, C)``, which is
          taken as a map of 1 x 1: of the 3x3 conv its middle is left, a
          linear layer.
        - loss_sim: ``()``, mean squared error of B x B similarities.
        - loss_pred: ``()``, mean over images, in nats.

    Raises:
        ValueError: If ``beta`` is not in [0, 1], or ``num_classes`` is less
            than 2.

    Example:
        >>> from mmengine.structures import BaseDataElement
        >>> head = PredSimHead(16, num_classes=10)
        >>> data_samples = [BaseDataElement(gt_label=torch.tensor([i]))
        ...                 for i in (3, 3, 7)]
        >>> losses = head.loss((torch.rand(3, 16, 8, 8),), data_samples)
        >>> print(f'{losses["loss_pred"]:.4f}')  # 0.01 ln 10
        0.0230
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        beta: float = 0.99,
        max_features: int = 2048,
        loss_weight: float = 1.0,
        init_cfg: Optional[dict] = None,
    ) -> None:
        # also when a backbone's init_cfg has reached all linear layers
        zero = dict(type='Constant', val=0, layer=[])
        super().__init__(init_cfg or dict(zero, override=dict(name='linear')))
        if not 0 <= beta <= 1:
            raise ValueError(
                f'`beta` should be in [0, 1], but got {beta!r}. The authors '
                'have 0.99.'
            )
        _check_num_classes(num_classes)
        self.num_classes = num_classes
        self.beta = beta
        self.loss_weight = loss_weight
        self.max_features = max(max_features, in_channels)
        self.conv = nn.Conv2d(
            in_channels, in_channels, 3, padding=1, bias=False
        )
        self.linear = nn.Linear(self.max_features, num_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Compute logits of the classes.

        Args:
            feats (tuple[Tensor]): Features; the last are ``(B, C, h, w)`` or
                ``(B, C)``.

        Returns:
            Tensor: Logits, ``(B, N)``.
        """
        x = self.pool(_to_map(feats[-1]))
        return F.linear(
            x, self.linear.weight[:, : x.shape[1]], self.linear.bias
        )

    def pool(self, x: Tensor) -> Tensor:
        """Average down to at most ``max_features`` numbers.

        Args:
            x (Tensor): ``(B, C, h, w)``.

        Returns:
            Tensor: ``(B, C * h' * w')``.
        """
        _, channels, *size = x.shape
        kernel, out = [1, 1], list(size)
        axis = 0
        while channels * math.prod(out) > self.max_features and max(out) > 1:
            if out[axis] > 1:
                kernel[axis] *= 2
                out[axis] = math.ceil(size[axis] / kernel[axis])
            axis = 1 - axis
        padding = [k * (o - s // k) // 2 for k, o, s in zip(kernel, out, size)]
        if kernel != [1, 1]:
            x = F.avg_pool2d(x, kernel, padding=padding)
        return x.flatten(1)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[Any]
    ) -> dict[str, Tensor]:
        """Compute the similarity matching loss and the cross-entropy.

        Args:
            feats (tuple[Tensor]): Features; the last are ``(B, C, h, w)`` or
                ``(B, C)``.
            data_samples (list[DataSample]): Labels, a ``gt_label`` of shape
                ``(1,)`` each.

        Returns:
            dict[str, Tensor]: ``loss_sim``, times ``beta``, and
            ``loss_pred``, times ``1 - beta``; both times ``loss_weight``.

        Raises:
            ValueError: If the labels are soft, or not one per image.
        """
        labels = stack_hard_labels(data_samples, 'PredSimHead')
        _check_one_label(labels, len(feats[-1]))
        similarity = similarity_matching_loss(
            self.conv(_to_map(feats[-1])), labels, self.num_classes
        )
        prediction = F.cross_entropy(self(feats).float(), labels)
        return dict(
            loss_sim=self.loss_weight * self.beta * similarity,
            loss_pred=self.loss_weight * (1 - self.beta) * prediction,
        )


def similarity_matching_loss(
    features: Tensor, labels: Tensor, num_classes: int
) -> Tensor:
    """Measure how far similarities of features are from those of labels.

    1. A row per image: the standard deviation of each channel, where there
       are more than 3 channels and more than one row of pixels; else all
       numbers.
    2. Similarity of two images: the cosine between their rows, each less its
       mean. 0 with a row that is constant up to rounding, which gets no
       gradient either.
    3. Similarity of two labels, likewise from one-hot rows: 1 for the same
       class, -1 / (N - 1) for others.
    4. The mean squared difference of all pairs, an image with itself
       included.

    Args:
        features (Tensor): ``(B, C, h, w)`` or ``(B, C)``.
        labels (Tensor): ``(B,)``, classes from 0.
        num_classes (int): N, at least 2.

    Returns:
        Tensor: ``()``, float32 also under autocast.

    Raises:
        ValueError: If ``num_classes`` is less than 2.

    Example:
        >>> features = torch.tensor([[1., 2, 3], [0, 1, 5], [3, 0, 0]])
        >>> loss = similarity_matching_loss(
        ...     features, torch.tensor([0, 0, 1]), num_classes=3)
        >>> print(f'{loss:.7f}')
        0.0357616
    """
    _check_num_classes(num_classes)
    with torch.autocast(features.device.type, enabled=False):
        unit = _normalize(_to_rows(features.float()))
        similarity = (unit @ unit.T).clamp(-1, 1)
        same = labels[:, None] == labels
        target = torch.where(same, 1.0, -1 / (num_classes - 1))
        return F.mse_loss(similarity, target)


def _to_rows(features: Tensor) -> Tensor:
    if features.dim() == 4 and features.shape[1] > 3 and features.shape[2] > 1:
        return features.flatten(2).std(2)
    return features.flatten(1)


def _normalize(rows: Tensor) -> Tensor:
    """Center rows and norm them; zero where only rounding is left."""
    centred = rows - rows.mean(1, keepdim=True)
    norm = centred.square().sum(1, keepdim=True)
    rounding = 10 * torch.finfo(rows.dtype).eps
    is_flat = norm <= rounding**2 * rows.square().sum(1, keepdim=True)
    # before the root, whose gradient at 0 is infinite
    norm = norm.masked_fill(is_flat, 1).sqrt()
    return centred.masked_fill(is_flat, 0) / (1e-8 + norm)


def _to_map(x: Tensor) -> Tensor:
    return x if x.dim() == 4 else x[:, :, None, None]


def _check_one_label(labels: Tensor, num_images: int) -> None:
    if len(labels) != num_images:
        raise ValueError(
            '`data_samples` should have one label per image for PredSimHead, '
            f'but got {len(labels)} for {num_images} images. Use another aux '
            'head for several labels.'
        )


def _check_num_classes(num_classes: int) -> None:
    if num_classes < 2:
        raise ValueError(
            '`num_classes` should be at least 2 for labels to differ, but '
            f'got {num_classes!r}. Set it to the classes of the data set.'
        )
