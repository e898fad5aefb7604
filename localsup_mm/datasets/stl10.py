"""STL-10."""

from collections.abc import Sequence

import numpy as np
from mmengine.fileio import exists, get_local_path, join_path
from mmengine.registry import DATASETS

from .files import FileDataset, extract, fetch, is_file_there

__all__ = ['STL10']


@DATASETS.register_module()
class STL10(FileDataset):
    """The labelled images of STL-10, 96 x 96 pixels.

    Source: `STL-10 <https://cs.stanford.edu/~acoates/stl10/>`_, its binary
    release: 5,000 images to train and 8,000 to test. The files lie in
    ``data_root/stl10_binary``. They come in one archive with 100,000
    unlabelled images, which are not extracted; the archive stays in
    ``data_root`` and can be deleted.

    Args:
        data_root (str): Folder of ``stl10_binary``, or of the archive
            ``stl10_binary.tar.gz``.
        split (str): 'train' or 'test'. Defaults to 'train'.
        metainfo (dict, optional): Meta information, e.g. ``classes``.
            Defaults to None.
        download (bool): Whether to extract what is missing, and to download
            the archive (2.6 GB) if that is missing too. Defaults to True.
        test_mode (bool): See mmengine's ``BaseDataset``. Defaults to False.
        **kwargs: Further arguments of mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If the split is unknown or there is no ``data_root``.
        FileNotFoundError: If a file is missing and not to be downloaded.
        RuntimeError: If a file has another md5 or a download fails.

    Example:
        >>> dataset = STL10('data/stl10', split='test', lazy_init=True)
        >>> dataset.CLASSES[:3]
        ('airplane', 'bird', 'car')
    """

    METAINFO = {
        'classes': (
            'airplane',
            'bird',
            'car',
            'cat',
            'deer',
            'dog',
            'horse',
            'monkey',
            'ship',
            'truck',
        )
    }
    URL = 'http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz'
    ARCHIVE = 'stl10_binary.tar.gz'
    ARCHIVE_MD5 = '91f7769df0f17e558f3565bffb0c7dfb'
    FOLDER = 'stl10_binary'
    FILES = {
        'train': {
            'train_X.bin': '918c2871b30a85fa023e0c44e0bee87f',
            'train_y.bin': '5a34089d4802c674881badbb80307741',
        },
        'test': {
            'test_X.bin': '7f263ba9f9e0b06b93213547f721ac82',
            'test_y.bin': '36f9794fa4beb8a2c72628de14fa638e',
        },
    }

    def download_files(self, names: Sequence[str]) -> None:
        """Extract what is missing, after a download if need be."""
        archive = join_path(self.data_root, self.ARCHIVE)
        if not is_file_there(archive, self.ARCHIVE_MD5, self.URL):
            fetch(self.URL, archive, self.ARCHIVE_MD5)
        # of both splits, since reading the archive takes a while
        extract(
            archive,
            {
                f'{self.FOLDER}/{name}': (self.locate(name), md5)
                for files in self.FILES.values()
                for name, md5 in files.items()
                if not exists(self.locate(name))
            },
        )

    def read_split(self) -> tuple[np.ndarray, np.ndarray]:
        """Read images, of which the files have each column by column."""
        images = self._read(f'{self.split}_X.bin').reshape(-1, 3, 96, 96)
        labels = self._read(f'{self.split}_y.bin')
        images = images.transpose(0, 3, 2, 1)
        return np.ascontiguousarray(images), labels.astype(int) - 1

    def _read(self, name: str) -> np.ndarray:
        with get_local_path(self.locate(name)) as path:
            return np.fromfile(path, dtype=np.uint8)
