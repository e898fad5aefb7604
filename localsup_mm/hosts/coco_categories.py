"""The categories of a file of COCO annotations."""

import json
import logging
from collections.abc import Sequence
from typing import Any, Optional

from mmengine.fileio import list_from_file
from mmengine.logging import print_log

from .dataset_files import find_dataset_class

__all__ = ['check_categories']


def check_categories(
    dataset: dict, loader: str, path: str, scope: Optional[str]
) -> None:
    """Check that the classes of a data set are those of its annotations.

    mmdetection leaves out the annotations of others. It warns where these are
    some of them, unless the config names the classes itself.

    Args:
        dataset (dict): Its config.
        loader (str): The data loader it belongs to, for messages.
        path (str): The file of annotations.
        scope (str, optional): The registry in which its type is looked up.

    Raises:
        ValueError: If no annotation is left where images without one are
            left out as well.
    """
    with open(path) as file:
        content = json.load(file)
    names = {c['id']: c['name'] for c in content.get('categories', [])}
    used = {
        a['category_id']
        for a in content.get('annotations', [])
        if 'category_id' in a
    }
    chosen = _read_classes((dataset.get('metainfo') or {}).get('classes'))
    cls: Any = find_dataset_class(dataset, scope)
    classes = chosen or getattr(cls, 'METAINFO', {}).get('classes') or ()
    found = {names[i] for i in used & names.keys()}
    unknown = sorted(used - names.keys())
    left_out = sorted(found - set(classes))
    is_refused = (dataset.get('filter_cfg') or {}).get(
        'filter_empty_gt'
    ) and not dataset.get('test_mode')
    if used and found.isdisjoint(classes):
        message = (
            f'`categories` of {path!r} should be classes of the data set, '
            f'but got {(left_out or unknown)[:5]}, so that no annotation is '
            f'left. Set {loader}.dataset.metainfo=dict(classes=(...)) and '
            'num_classes of the heads.'
        )
        if is_refused:
            raise ValueError(message)
        _warn(message)
    elif unknown:
        _warn(
            f'`category_id` of the annotations in {path!r} should be one of '
            f'its {len(names)} categories, but got {unknown[:5]}: these '
            "annotations are left out. Add them to the file's categories."
        )
    elif left_out and not chosen:
        _warn(
            f'`categories` of {path!r} should be classes of the data set, '
            f'but got {left_out[:5]}: their annotations are left out. To '
            f'learn them, set {loader}.dataset.metainfo=dict(classes=(...)) '
            'and num_classes of the heads.'
        )


def _read_classes(classes: Any) -> Optional[Sequence[str]]:
    """Read the classes as mmengine does: a name may be that of a file."""
    if not isinstance(classes, str):
        return classes
    try:
        return list_from_file(classes)
    except (TypeError, FileNotFoundError):
        return [classes]


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
