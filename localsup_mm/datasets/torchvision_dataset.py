"""Data sets of torchvision in the form that mmpretrain trains with."""

from typing import Any, Optional

import mmengine.dist as dist
import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.datasets.base_dataset import expanduser
from torchvision.datasets import VisionDataset

__all__ = ['TorchvisionDataset']


class TorchvisionDataset(BaseDataset):
    """Images and labels of a data set of torchvision.

    torchvision downloads the files and checks their md5. In a distributed
    run the first process does so while the others wait; then each process
    reads the files.

    A subclass names ``SOURCE``, a class of torchvision with ``data``, RGB
    images ``(n, 3, H, W)`` in uint8, and ``labels``, ``(n,)`` from 0.

    Args:
        data_root (str): Folder of the data set.
        split (str): Name of the split, one of ``SPLITS``. Defaults to 'train'.
        metainfo (dict, optional): Meta information, e.g. ``classes``.
            Defaults to None.
        download (bool): Whether to download files that are missing or
            corrupted. Defaults to True.
        **kwargs (Any): Further arguments of mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If the split is unknown or there is no ``data_root``.
        RuntimeError: If a file is missing or corrupted and is not to be, or
            cannot be, downloaded.
    """

    SOURCE: type[VisionDataset]
    SPLITS: tuple[str, ...]
    # the files of a split, for messages
    FILES: str

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        metainfo: Optional[dict] = None,
        download: bool = True,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        if split not in self.SPLITS:
            raise ValueError(
                f'`split` should be one of {list(self.SPLITS)}, but got '
                f'{split!r}. {name} has no other.'
            )
        if not data_root:
            raise ValueError(
                f'`data_root` should be a folder, but got {data_root!r}. '
                f"Set e.g. data_root='data/{name.lower()}'."
            )
        self.split = split
        self.download = download
        super().__init__(
            ann_file='',
            metainfo=metainfo,
            data_root=expanduser(data_root),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Load all images ``(H, W, 3)`` of the split and their labels."""
        if dist.is_main_process():
            try:
                source = self._read(self.download)
            finally:
                # an error here should not leave the others waiting
                dist.barrier()
        else:
            dist.barrier()
            source = self._read(download=False)
        images = np.ascontiguousarray(source.data.transpose(0, 2, 3, 1))
        return [
            {'img': image, 'gt_label': int(label)}
            for image, label in zip(images, source.labels)
        ]

    def extra_repr(self) -> list[str]:
        """Say which split of which folder this is."""
        return [f'Split: \t{self.split}', f'Folder: \t{self.data_root}']

    def _read(self, download: bool) -> VisionDataset:
        try:
            return self.SOURCE(self.data_root, self.split, download=download)
        except (RuntimeError, OSError) as error:
            advice = (
                'Set download=True, or get the files yourself.'
                if dist.is_main_process()
                else 'Only the first process downloads: see whether it '
                'failed, and give each machine the folder.'
            )
            raise RuntimeError(
                f'`data_root` should hold {self.FILES.format(self.split)} as '
                f'published, but got {self.data_root!r}, of which torchvision '
                f'says {str(error)!r}. {advice}'
            ) from error
