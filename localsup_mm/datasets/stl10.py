"""STL-10."""

import torchvision.datasets
from mmengine.registry import DATASETS

from .torchvision_dataset import TorchvisionDataset

__all__ = ['STL10']


class _LabelledSTL10(torchvision.datasets.STL10):
    # torchvision also wants the unlabelled images, which nothing here reads
    train_list = torchvision.datasets.STL10.train_list[:2]


@DATASETS.register_module()
class STL10(TorchvisionDataset):
    """The labelled images of STL-10, 96 x 96 pixels.

    Source: `STL-10 <https://cs.stanford.edu/~acoates/stl10/>`_, its binary
    release: 5,000 images to train and 8,000 to test. The files lie in
    ``data_root/stl10_binary``. They come in one archive of 2.6 GB with
    100,000 unlabelled images; ``unlabeled_X.bin`` and the archive can be
    deleted.

    Args:
        data_root (str): Folder of ``stl10_binary``, or of the archive
            ``stl10_binary.tar.gz``.
        split (str): 'train' or 'test'. Defaults to 'train'.
        **kwargs: Further arguments of :class:`TorchvisionDataset`.

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
    SOURCE = _LabelledSTL10
    SPLITS = ('train', 'test')
    FILES = 'stl10_binary/{0}_X.bin and {0}_y.bin'
