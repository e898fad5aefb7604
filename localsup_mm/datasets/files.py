"""Data sets that are a few files of known md5."""

import os
import posixpath
import shutil
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from typing import Optional

import mmengine.dist as dist
import numpy as np
from mmengine.fileio import LocalBackend, exists, get_file_backend, join_path
from mmengine.logging import MMLogger, print_log
from mmpretrain.datasets import BaseDataset
from mmpretrain.datasets.base_dataset import expanduser
from mmpretrain.datasets.utils import calculate_md5
from torch.hub import download_url_to_file

__all__ = ['FileDataset', 'extract', 'fetch', 'is_file_there']


class FileDataset(BaseDataset):
    """A data set whose splits are a few files each.

    Loading takes these steps:

    1) The first process looks for the files of the split and checks their
       md5. Files that are missing it downloads; a file that is there is
       never written over.
    2) The other processes wait, then check the same.
    3) Each process reads the files.

    A subclass gives ``URL``, ``FILES`` and two methods.

    Args:
        data_root (str): Folder of the data set.
        split (str): One of the keys of ``FILES``. Defaults to 'train'.
        metainfo (dict, optional): Meta information, e.g. ``classes``.
            Defaults to None.
        download (bool): Whether to download what is missing. Defaults to
            True.
        test_mode (bool): See mmengine's ``BaseDataset``. Defaults to False.
        **kwargs: Further arguments of mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If the split is unknown or there is no ``data_root``.
        FileNotFoundError: If a file is missing and not to be downloaded.
        RuntimeError: If a file has another md5 or a download fails.
    """

    # where the files are from; '{name}' stands for the name of a file
    URL: str
    # split to file name to md5
    FILES: dict[str, dict[str, str]]
    # inside `data_root`
    FOLDER = ''

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        metainfo: Optional[dict] = None,
        download: bool = True,
        test_mode: bool = False,
        **kwargs,
    ) -> None:
        splits = list(self.FILES)
        if split not in splits:
            raise ValueError(
                f'`split` should be one of {splits}, but got {split!r}. '
                f'{type(self).__name__} has no other.'
            )
        if not data_root:
            raise ValueError(
                f'`data_root` should be a folder, but got {data_root!r}. '
                f"Set e.g. data_root='data/{type(self).__name__.lower()}'."
            )
        if split == 'train' and test_mode:
            MMLogger.get_current_instance().warning(
                'split="train" but test_mode=True. The training set will be '
                'used.'
            )
        self.split = split
        self.download = download
        super().__init__(
            ann_file='',
            metainfo=metainfo,
            data_root=expanduser(data_root),
            data_prefix=dict(root=self.FOLDER),
            test_mode=test_mode,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Provide the files of the split, then read them."""
        if dist.is_main_process():
            try:
                self._provide_files()
            finally:
                # an error here should not leave the others waiting
                dist.barrier()
        else:
            dist.barrier()
            self._check_complete(self._find_missing())
        images, labels = self.read_split()
        return [
            {'img': image, 'gt_label': int(label)}
            for image, label in zip(images, labels)
        ]

    def read_split(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the files of the split.

        Returns:
            tuple[np.ndarray, np.ndarray]: RGB images ``(n, H, W, 3)``, uint8
            and contiguous, and labels ``(n,)`` from 0.
        """
        raise NotImplementedError

    def download_files(self, names: Sequence[str]) -> None:
        """Download files of the split.

        Args:
            names (Sequence[str]): Those that are missing.
        """
        raise NotImplementedError

    def locate(self, name: str) -> str:
        """Say where a file of the data set belongs.

        Args:
            name (str): Name of the file.

        Returns:
            str: Its path.
        """
        return join_path(self.data_prefix['root'], name)

    def extra_repr(self) -> list[str]:
        """The extra repr information of the dataset."""
        return [
            f'Split: \t{self.split}',
            f'Prefix of data: \t{self.data_prefix["root"]}',
        ]

    def _provide_files(self) -> None:
        missing = self._find_missing()
        backend = get_file_backend(self.data_root, enable_singleton=True)
        if self.download and isinstance(backend, LocalBackend):
            if missing:
                self.download_files(missing)
        else:
            self._check_complete(missing)

    def _find_missing(self) -> list[str]:
        return [
            name
            for name, md5 in self.FILES[self.split].items()
            if not is_file_there(
                self.locate(name), md5, self.URL.format(name=name)
            )
        ]

    def _check_complete(self, missing: Sequence[str]) -> None:
        if not missing:
            return
        if self.download and not dist.is_main_process():
            advice = (
                'Only the first process downloads: see whether it failed, '
                'and give each machine the folder.'
            )
        else:
            url = self.URL.format(name=missing[0])
            advice = (
                'Set download=True and a local folder, or get it yourself '
                f'from {url}.'
            )
        path = posixpath.join(self.FOLDER, missing[0])
        raise FileNotFoundError(
            f'`data_root` should contain {path}, but got {self.data_root!r} '
            f'without. {advice}'
        )


def is_file_there(path: str, md5: str, url: str) -> bool:
    """Look for a file and check it.

    Args:
        path (str): The file.
        md5 (str): What its md5 should be.
        url (str): Where it is from, for messages.

    Returns:
        bool: False if there is no such file.

    Raises:
        RuntimeError: If it has another md5.
    """
    if not exists(path):
        return False
    _check_md5(
        path,
        path,
        md5,
        f'It is incomplete or another file: delete it and run again with '
        f'download=True, or get it yourself from {url}.',
    )
    return True


def fetch(url: str, path: str, md5: str) -> None:
    """Download a file, with a progress bar; check it, then name it.

    Args:
        url (str): Where it is.
        path (str): What to name it. The folder is made.
        md5 (str): What its md5 should be.

    Raises:
        RuntimeError: If the download fails or has another md5; no file is
            left behind.
    """
    print_log(f'Downloading {url} to {path}', logger='current')
    with _written_whole(path, md5, url) as part:
        try:
            download_url_to_file(url, part)
        except (OSError, HTTPException) as error:
            raise RuntimeError(
                f'`{url}` should download to {path}, but got {error!r}. Try '
                'again, or get the file yourself and put it there.'
            ) from error


def extract(archive: str, files: dict[str, tuple[str, str]]) -> None:
    """Extract some regular files of a ``.tar.gz``, and nothing else.

    Names inside the archive select what is read, never where it is written.

    Args:
        archive (str): The archive.
        files (dict[str, tuple[str, str]]): Name inside the archive to path
            to write and md5.

    Raises:
        RuntimeError: If the archive lacks one of the files or has it with
            another md5.
    """
    print_log(f'Extracting {", ".join(files)} of {archive}', logger='current')
    wanted = dict(files)
    # read as a stream: seeking back would decompress everything once more
    with tarfile.open(archive, 'r|gz') as tar:
        for member in tar:
            name = posixpath.normpath(member.name)
            if not member.isfile() or name not in wanted:
                continue
            path, md5 = wanted.pop(name)
            with (
                _written_whole(path, md5, f'{archive}/{name}') as part,
                open(part, 'wb') as target,
            ):
                shutil.copyfileobj(tar.extractfile(member), target)
            if not wanted:
                return
    raise RuntimeError(
        f'`{archive}` should contain {sorted(wanted)}, but got an archive '
        'without. Delete it and run again with download=True.'
    )


@contextmanager
def _written_whole(path: str, md5: str, source: str) -> Iterator[str]:
    """Lend a temporary name beside ``path``; rename if the md5 is right."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f'{path}.{uuid.uuid4().hex}.part'
    try:
        yield part
        _check_md5(
            part,
            source,
            md5,
            'It is incomplete or another file, and was not kept. Try again, '
            f'or get {path} from elsewhere.',
        )
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _check_md5(path: str, name: str, md5: str, advice: str) -> None:
    found = calculate_md5(path)
    if found != md5:
        raise RuntimeError(
            f'`{name}` should have md5 {md5!r}, but got {found!r}. {advice}'
        )
