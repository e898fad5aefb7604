"""CIFAR-10 in memory, at its size or a smaller one, for fast trainings."""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import DATASETS
from mmpretrain.datasets import CIFAR10
from mmpretrain.structures import DataSample
from torch import Tensor

__all__ = ['InMemoryCIFAR10']

_ORIGINAL_SIZE = 32


@DATASETS.register_module()
class InMemoryCIFAR10(CIFAR10):
    """CIFAR-10, kept in memory and augmented in batches.

    It has no pipeline: a batch is read, cropped and flipped at once, for which
    a small network would otherwise wait. Images may be made smaller, by
    averaging pixels. The random numbers are torch's, on the CPU, so that a
    seed gives the same batches on each device.

    Args:
        data_root (str): The folder with the files of CIFAR-10.
        split (str): 'train' or 'test'. Defaults to 'train'.
        image_size (int): Height and width in pixels, 32 divided by a whole
            number. Defaults to 32.
        padding (int): Pixels of reflection around an image from which a random
            crop of its size is taken. Defaults to 0: no crop.
        flip_prob (float): Probability of a horizontal flip. Defaults to 0.0.
        labels (Sequence[int], optional): The classes that are kept, which get
            the ids 0, 1, ... in this order. Defaults to None: all ten.
        device (str): Where the images are kept and augmented, e.g.
            ``'cuda'``; a loader has no workers then. Defaults to ``'cpu'``.
        **kwargs (Any): Further arguments of mmpretrain's ``CIFAR10``.

    Shape:
        - inputs: ``(3, image_size, image_size)`` in uint8, RGB.

    Raises:
        ValueError: If ``image_size`` does not divide 32.
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        image_size: int = 32,
        padding: int = 0,
        flip_prob: float = 0.0,
        labels: Optional[Sequence[int]] = None,
        device: str = 'cpu',
        **kwargs: Any,
    ) -> None:
        if image_size < 1 or _ORIGINAL_SIZE % image_size:
            raise ValueError(
                f'`image_size` should divide {_ORIGINAL_SIZE}, but got '
                f'{image_size!r}. Choose 16 or 8.'
            )
        self.image_size = image_size
        self.padding = padding
        self.flip_prob = flip_prob
        self.labels = labels
        self.device = device
        self._images = torch.empty(0)
        self._labels: list[int] = []
        if labels is not None:
            names = self.METAINFO['classes']
            kwargs['metainfo'] = dict(classes=[names[k] for k in labels])
        super().__init__(data_root=data_root, split=split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the images, and drop those of other classes."""
        infos = super().load_data_list()
        if self.labels is None:
            return infos
        new = {label: i for i, label in enumerate(self.labels)}
        return [
            dict(info, gt_label=new[info['gt_label']])
            for info in infos
            if info['gt_label'] in new
        ]

    def full_init(self) -> None:
        """Read all images, average and pad them."""
        if self._fully_initialized:
            return
        super().full_init()
        infos = [self.get_data_info(i) for i in range(len(self))]
        images = torch.from_numpy(np.stack([info['img'] for info in infos]))
        images = F.avg_pool2d(
            images.permute(0, 3, 1, 2).float(),
            _ORIGINAL_SIZE // self.image_size,
        )
        images = F.pad(images, 4 * (self.padding,), mode='reflect')
        self._images = images.round().to(self.device, torch.uint8)
        self._labels = [info['gt_label'] for info in infos]

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Return one image and its label, augmented.

        Args:
            idx (int): Its index.

        Returns:
            dict: ``inputs`` and ``data_samples``.
        """
        return self.__getitems__([idx])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return a batch; torch's data loader asks for all images at once.

        Args:
            indices (Sequence[int]): Their indices.

        Returns:
            list[dict]: See :meth:`__getitem__`.
        """
        self.full_init()
        images = self._augment(torch.as_tensor(list(indices)))
        return [
            dict(
                inputs=image,
                data_samples=DataSample().set_gt_label(self._labels[i]),
            )
            for i, image in zip(indices, images)
        ]

    def _augment(self, indices: Tensor) -> Tensor:
        """Crop and flip images at random."""
        number, size = len(indices), torch.arange(self.image_size)
        corners = torch.zeros(2, number, 1, dtype=torch.long)
        if self.padding:
            corners = torch.randint(2 * self.padding + 1, (2, number, 1))
        rows, columns = corners + size
        if self.flip_prob:
            is_flipped = torch.rand(number, 1) < self.flip_prob
            columns = torch.where(is_flipped, columns.flip(1), columns)
        indices, rows, columns = (
            places.to(self.device) for places in (indices, rows, columns)
        )
        # indices beside a slice come first: (B, h, w, C)
        images = self._images[
            indices[:, None, None], :, rows[:, :, None], columns[:, None, :]
        ]
        return images.permute(0, 3, 1, 2)
