"""Street View House Numbers."""

from collections.abc import Sequence

import numpy as np
from mmengine.fileio import get_local_path
from mmengine.registry import DATASETS
from scipy.io import loadmat

from .files import FileDataset, fetch

__all__ = ['SVHN']


@DATASETS.register_module()
class SVHN(FileDataset):
    """The cropped digits of Street View House Numbers, 32 x 32 pixels.

    Source: `SVHN <http://ufldl.stanford.edu/housenumbers/>`_. Of its
    splits, ``train`` has 73,257 images, ``test`` 26,032, and ``extra``
    531,131 easier ones. The files lie directly in ``data_root``; only those
    of the split are needed. Class k is digit k: what the files label 10 is
    a 0.

    Args:
        data_root (str): Folder of the ``.mat`` files.
        split (str): 'train', 'test' or 'extra'. Defaults to 'train'.
        metainfo (dict, optional): Meta information, e.g. ``classes``.
            Defaults to None.
        download (bool): Whether to download what is missing: 182 MB of
            train, 64 MB of test, 1.3 GB of extra. Defaults to True.
        test_mode (bool): See mmengine's ``BaseDataset``. Defaults to False.
        **kwargs: Further arguments of mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If the split is unknown or there is no ``data_root``.
        FileNotFoundError: If a file is missing and not to be downloaded.
        RuntimeError: If a file has another md5 or a download fails.

    Example:
        >>> dataset = SVHN('data/svhn', split='test', lazy_init=True)
        >>> dataset.CLASSES[:3]
        ('0', '1', '2')
    """

    METAINFO = {'classes': tuple('0123456789')}
    URL = 'http://ufldl.stanford.edu/housenumbers/{name}'
    FILES = {
        'train': {'train_32x32.mat': 'e26dedcc434d2e4c54c9b2d4a06d8373'},
        'test': {'test_32x32.mat': 'eb5a983be6a315427106f1b164d9cef3'},
        'extra': {'extra_32x32.mat': 'a93ce644f1a588dc4d68dda5feec44a7'},
    }

    def download_files(self, names: Sequence[str]) -> None:
        """Download one ``.mat`` after the other."""
        for name in names:
            fetch(
                self.URL.format(name=name),
                self.locate(name),
                self.FILES[self.split][name],
            )

    def read_split(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the ``.mat``: images last to first axis, label 10 to 0."""
        (name,) = self.FILES[self.split]
        with get_local_path(self.locate(name)) as path:
            content = loadmat(path, variable_names=['X', 'y'])
        # (32, 32, 3, n) and (n, 1)
        images = content['X'].transpose(3, 0, 1, 2)
        return np.ascontiguousarray(images), content['y'].reshape(-1) % 10
