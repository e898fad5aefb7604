"""Street View House Numbers."""

import torchvision.datasets
from mmengine.registry import DATASETS

from .torchvision_dataset import TorchvisionDataset

__all__ = ['SVHN']


@DATASETS.register_module()
class SVHN(TorchvisionDataset):
    """The cropped digits of Street View House Numbers, 32 x 32 pixels.

    Source: `SVHN <http://ufldl.stanford.edu/housenumbers/>`_. The split
    ``train`` has 73,257 images (182 MB), ``test`` has 26,032 (64 MB), and
    ``extra`` has 531,131 easier ones (1.3 GB). Their ``.mat`` files lie
    directly in ``data_root``; only that of the split is needed. Class k is
    digit k.

    Args:
        data_root (str): Folder of the ``.mat`` files.
        split (str): 'train', 'test' or 'extra'. Defaults to 'train'.
        **kwargs: Further arguments of :class:`TorchvisionDataset`.

    Example:
        >>> dataset = SVHN('data/svhn', split='test', lazy_init=True)
        >>> dataset.CLASSES[:3]
        ('0', '1', '2')
    """

    METAINFO = {'classes': tuple('0123456789')}
    SOURCE = torchvision.datasets.SVHN
    SPLITS = ('train', 'test', 'extra')
    FILES = '{}_32x32.mat'
