"""What can be known to be wrong with the data before they are loaded."""

import hashlib
import inspect
import json
import os.path as osp
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.utils import scandir

__all__ = ['check_data']

_CITYSCAPES = (
    'Unpack leftImg8bit and gtFine of Cityscapes there, or make a small data '
    'set of the same layout: python demo/mini_cityscapes.py {root}'
)
_COCO = (
    'Download train2017.zip, val2017.zip and annotations_trainval2017.zip '
    'from https://cocodataset.org/#download and unpack them there, or set '
    'data_root to where they are.'
)


def check_data(cfg: Config, loader: str) -> None:
    """Check that the files of a data loader's data sets are there.

    Args:
        cfg (Config): The whole config.
        loader (str): ``'train_dataloader'``, ``'val_dataloader'`` or
            ``'test_dataloader'``.

    Raises:
        FileNotFoundError: If a folder or an annotation file is missing or,
            for Cityscapes, there are no label images; it says what to do.
        ValueError: If a file of a data set with known checksums is corrupt,
            or COCO annotations have categories that are not in the data set.
    """
    scope = cfg.get('default_scope')
    for dataset in _find_datasets(cfg.get(loader) or {}):
        cls = _find_class(dataset, scope)
        _check_files(cls, dataset)
        if _downloads(cls, dataset):
            continue
        name = str(dataset.get('type')).rsplit('.', 1)[-1]
        root = dataset.get('data_root') or ''
        advice = {
            'CityscapesDataset': _CITYSCAPES.format(root=root),
            'CocoDataset': _COCO,
        }.get(name, 'Set data_root to where the data set is.')
        _check_folders(dataset, loader, advice)
        if name == 'CityscapesDataset':
            _check_train_ids(dataset, loader)
        if name == 'CocoDataset':
            _check_annotations(cls, dataset, loader, advice)


def _find_class(dataset: dict, scope: Optional[str]) -> Optional[type]:
    cls = dataset.get('type')
    if isinstance(cls, str):
        with DATASETS.switch_scope_and_registry(scope) as registry:
            cls = registry.get(cls)
    return cls


def _downloads(cls: Optional[type], dataset: dict) -> bool:
    parameter = inspect.signature(cls).parameters.get('download') if cls else 0
    return bool(parameter) and dataset.get('download', parameter.default)


def _check_files(cls: Optional[type], dataset: dict) -> None:
    """Name a corrupt file, which mmpretrain's CIFAR would download again."""
    folder = getattr(cls, 'base_folder', None)
    if folder is None:
        return
    files = [
        *getattr(cls, 'train_list', []),
        *getattr(cls, 'test_list', []),
    ]
    for name, md5 in files:
        path = Path(dataset.get('data_root') or '', folder, name)
        if not path.is_file():
            continue
        found = hashlib.md5(path.read_bytes()).hexdigest()
        if found != md5:
            raise ValueError(
                f'`{path}` should have md5 {md5!r}, but got {found!r}. It is '
                'incomplete or another file: delete it, and the next run '
                'downloads the data set again.'
            )


def _check_folders(dataset: dict, loader: str, advice: str) -> None:
    root = dataset.get('data_root') or ''
    for prefix in (dataset.get('data_prefix') or {'': ''}).values():
        folder = osp.join(root, prefix) if isinstance(prefix, str) else ''
        if '://' not in folder and not osp.isdir(folder or '.'):
            raise FileNotFoundError(
                f'`{loader}.dataset.data_root` should hold the data set, '
                f'but got {root!r} without the folder {folder!r}. {advice}'
            )


def _check_train_ids(dataset: dict, loader: str) -> None:
    root = dataset.get('data_root') or ''
    labels = (dataset.get('data_prefix') or {}).get('seg_map_path')
    suffix = dataset.get('seg_map_suffix', '_gtFine_labelTrainIds.png')
    if labels and not any(
        name.endswith(suffix)
        for name in scandir(osp.join(root, labels), recursive=True)
    ):
        raise FileNotFoundError(
            f'`{loader}.dataset.data_root` should hold label images '
            f'*_gtFine_labelTrainIds.png, but got {root!r} without any. '
            f'Run: CITYSCAPES_DATASET={root} csCreateTrainIdLabelImgs'
        )


def _check_annotations(
    cls: type, dataset: dict, loader: str, advice: str
) -> None:
    """Refuse categories that mmdet would drop without a word."""
    path = osp.join(dataset.get('data_root') or '', dataset['ann_file'])
    if '://' in path:
        return
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'`{loader}.dataset.ann_file` should be a file, but got {path!r}. '
            f'{advice}'
        )
    with open(path) as file:
        content = json.load(file)
    names = {c['id']: c['name'] for c in content['categories']}
    used = {a['category_id'] for a in content.get('annotations', [])}
    unknown = sorted(used - names.keys())
    if unknown:
        raise ValueError(
            f'`category_id` of the annotations in {path!r} should be one of '
            f'its {len(names)} categories, but got {unknown[:5]}. Add them to '
            "the file's categories, or remove these annotations."
        )
    # who names the classes himself means to leave the others out
    chosen = (dataset.get('metainfo') or {}).get('classes')
    classes = chosen or cls.METAINFO['classes']
    found = {names[i] for i in used}
    dropped = found.isdisjoint(classes) if chosen else found - set(classes)
    if used and dropped:
        raise ValueError(
            f'`categories` of {path!r} should be classes of the data set, '
            f'but got {sorted(found - set(classes))[:5]}. Set '
            f'{loader}.dataset.metainfo=dict(classes=(...)) and num_classes '
            'of the heads.'
        )


def _find_datasets(cfg: dict) -> Iterator[dict]:
    """Data sets below a loader, those inside wrappers included."""
    if isinstance(cfg, dict):
        if 'data_root' in cfg:
            yield cfg
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for value in cfg:
            yield from _find_datasets(value)
