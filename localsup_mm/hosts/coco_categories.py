"""The categories of a file of COCO annotations."""

import json
from collections.abc import Sequence
from typing import Any, Optional

from mmengine.fileio import list_from_file
from mmengine.registry import DATASETS

from .part_type import find_class
from .report import report

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
        SetupError: If no annotation is left where images without one are
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
    cls: Any = find_class(dataset, DATASETS, scope)
    classes = chosen or getattr(cls, 'METAINFO', {}).get('classes') or ()
    found = {names[i] for i in used & names.keys()}
    unknown = sorted(used - names.keys())
    left_out = sorted(found - set(classes))
    filters = dataset.get('filter_cfg') or {}
    is_refused = filters.get('filter_empty_gt', False) and not dataset.get(
        'test_mode'
    )
    if used and found.isdisjoint(classes):
        report(
            f'`categories` of {path!r} should be classes of the data set, '
            f'but got {(left_out or unknown)[:5]}, so that no annotation is '
            f'left. Set {loader}.dataset.metainfo=dict(classes=(...)) and '
            'num_classes of the heads.',
            is_certain=is_refused,
        )
    elif unknown:
        report(
            f'`category_id` of the annotations in {path!r} should be one of '
            f'its {len(names)} categories, but got {unknown[:5]}: these '
            "annotations are left out. Add them to the file's categories.",
            is_certain=False,
        )
    elif left_out and not chosen:
        report(
            f'`categories` of {path!r} should be classes of the data set, '
            f'but got {left_out[:5]}: their annotations are left out. To '
            f'learn them, set {loader}.dataset.metainfo=dict(classes=(...)) '
            'and num_classes of the heads.',
            is_certain=False,
        )


def _read_classes(classes: Any) -> Optional[Sequence[str]]:
    """Read the classes as mmengine does: a name may be that of a file."""
    if not isinstance(classes, str):
        return classes
    try:
        return list_from_file(classes)
    except (TypeError, FileNotFoundError):
        return [classes]
