"""The figures of an evaluation of probes."""

from typing import Optional

import torch
from torch import Tensor

__all__ = ['ProbeTally', 'sum_losses']


class ProbeTally:
    """The sums of an evaluation of the aux nets at one boundary."""

    def __init__(self) -> None:
        self.num_images = 0
        self.label_loss = self.accuracy = 0.0
        self.has_label_loss = self.has_accuracy = False
        # of each channel: squared errors, pixels, their sum and squares
        self.sums = torch.zeros(4, 1, dtype=torch.float64)

    def add_losses(self, losses: dict[str, Tensor], num_images: int) -> None:
        """Add the losses of a batch.

        Args:
            losses (dict[str, Tensor]): Those of a :class:`LocalModule`.
            num_images (int): Images in the batch.
        """
        self.num_images += num_images
        of_labels = {k: v for k, v in losses.items() if k != 'loss_recon'}
        if of_labels:
            self.label_loss += num_images * float(sum_losses(of_labels))
            self.has_label_loss = True
        for key, value in of_labels.items():
            if key.startswith('acc'):
                # mmpretrain's in a list, one for each threshold
                value = torch.as_tensor(value).flatten()[0]
                self.accuracy += num_images * float(value)
                self.has_accuracy = True

    def add_images(self, found: Tensor, target: Tensor) -> None:
        """Add what a decoder makes of a batch.

        Args:
            found (Tensor): ``(B, C, H, W)``, the images it rebuilds.
            target (Tensor): ``(B, C, H, W)``, the images.
        """
        found, target = found.double(), target.double()
        dims = (0, 2, 3)
        pixels = torch.ones_like(target)
        new = [(found - target) ** 2, pixels, target, target**2]
        sums = torch.stack([part.sum(dims) for part in new]).cpu()
        self.sums = self.sums + sums

    def summarize(self) -> dict[str, Optional[float]]:
        """Summarize the batches so far.

        Returns:
            dict[str, float | None]: See :meth:`Probes.evaluate`.
        """
        error, number, total, squares = self.sums
        variance = squares - total**2 / number
        label_loss = self.label_loss / self.num_images
        accuracy = self.accuracy / self.num_images
        return dict(
            image=round(float(1 - error.sum() / variance.sum()), 4),
            label_loss=round(label_loss, 4) if self.has_label_loss else None,
            accuracy=round(accuracy, 2) if self.has_accuracy else None,
        )


def sum_losses(losses: dict[str, Tensor]) -> Tensor:
    """Add up what is a loss and not only logged.

    Args:
        losses (dict[str, Tensor]): Those of a :class:`LocalModule`.

    Returns:
        Tensor: A scalar.
    """
    return torch.stack(
        [value.mean() for key, value in losses.items() if 'loss' in key]
    ).sum()
