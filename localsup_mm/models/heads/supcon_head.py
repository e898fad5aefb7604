"""Supervised contrastive learning at a boundary."""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from .hard_labels import stack_hard_labels

__all__ = ['SupConHead', 'supcon_loss']


@MODELS.register_module()
class SupConHead(BaseModule):
    """Project features and pull those of one class together.

    One view of each image; positives and negatives are the other images of
    the batch, of this process alone. The more images a class has in a batch,
    the better: the authors use batches of 1024.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021, "InfoPro (Contrast)"; the loss is that of `Supervised Contrastive
    Learning <https://arxiv.org/abs/2004.11362>`_, NeurIPS 2020.

    Args:
        in_channels (int): Width of the features.
        feature_dim (int): Width of the projection. Defaults to 128.
        temperature (float): Divisor of the cosine similarities. Defaults to
            0.07.
        loss_weight (float): lambda_2 in the paper. Defaults to 1.0.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple, its last entry ``(B, in_channels)``.
        - loss_supcon: ``()``, mean over the images, in nats.

    Raises:
        ValueError: If the temperature is not positive.

    Example:
        >>> head = SupConHead(16)
        >>> head((torch.rand(4, 16),)).shape
        torch.Size([4, 128])
    """

    # of a batch, which is checked before the first iteration
    min_batch_size = 2

    def __init__(
        self,
        in_channels: int,
        feature_dim: int = 128,
        temperature: float = 0.07,
        loss_weight: float = 1.0,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        if temperature <= 0:
            raise ValueError(
                '`temperature` of SupConHead should be positive, but got '
                f'{temperature!r}. The published value is 0.07.'
            )
        self.temperature = temperature
        self.loss_weight = loss_weight
        self.fc = nn.Linear(in_channels, feature_dim)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Project features to length 1, ``(B, feature_dim)``."""
        return F.normalize(self.fc(feats[-1]), dim=1)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[Any]
    ) -> dict[str, Tensor]:
        """Compute the contrastive loss of a batch.

        Args:
            feats (tuple[Tensor]): Its last entry is ``(B, in_channels)``.
            data_samples (list[DataSample]): Labels, one ``gt_label`` each.

        Returns:
            dict[str, Tensor]: ``loss_supcon``, times ``loss_weight``.

        Raises:
            ValueError: If the labels are soft, or the batch is one image.
        """
        labels = stack_hard_labels(data_samples, 'SupConHead')
        loss = supcon_loss(self(feats), labels, self.temperature)
        return dict(loss_supcon=self.loss_weight * loss)


def supcon_loss(
    features: Tensor, labels: Tensor, temperature: float = 0.07
) -> Tensor:
    """Compute the supervised contrastive loss of one view.

    For image i with the other images P(i) of its class, ``-1 / |P(i)| *
    sum over p in P(i) of log(exp(f_i.f_p / t) / sum over a != i of
    exp(f_i.f_a / t))``; the mean over all images, where one without another
    of its class counts as 0.

    Args:
        features (Tensor): ``(B, D)``, of length 1.
        labels (Tensor): ``(B,)``, integers.
        temperature (float): t. Defaults to 0.07.

    Returns:
        Tensor: ``()``, in nats.

    Raises:
        ValueError: If the batch is one image.

    Example:
        >>> loss = supcon_loss(torch.eye(3), torch.tensor([3, 3, 7]))
        >>> print(f'{loss:.4f}')  # 2 / 3 ln 2: the third is alone
        0.4621
    """
    batch = len(features)
    if batch < 2:
        raise ValueError(
            '`batch_size` should be at least 2 for the contrastive loss, but '
            f'got a batch of {batch}. Set train_dataloader.drop_last=True if '
            'it is the last of an epoch.'
        )
    itself = torch.eye(batch, dtype=torch.bool, device=features.device)
    # outside autocast: exponents up to 1 / temperature
    with torch.autocast(features.device.type, enabled=False):
        features = features.float()
        logits = features @ features.T / temperature
        logits = logits.masked_fill(itself, float('-inf'))
        log_prob = logits - logits.logsumexp(dim=1, keepdim=True)
    positive = (labels[:, None] == labels) & ~itself
    total = log_prob.masked_fill(~positive, 0.0).sum(dim=1)
    return -(total / positive.sum(dim=1).clamp(min=1)).mean()
