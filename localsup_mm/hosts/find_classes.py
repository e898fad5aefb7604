"""The number of classes of a network."""

from collections.abc import Iterable
from typing import Any, Optional

from mmengine.config import Config

__all__ = ['find_classes']


def find_classes(cfg: Config, names: Iterable[str]) -> int:
    """Find the number of classes of a network's own head.

    Args:
        cfg (Config): The config of a training.
        names (Iterable[str]): Places of the head in the model's config, e.g.
            ``'roi_head.bbox_head'``; the first that is there counts.

    Returns:
        int: The number, without a detector's background.

    Raises:
        ValueError: If no head says it.
    """
    heads = [_find_part(cfg.model, name) for name in names]
    for head in heads:
        # cascades have several, the last is that of the result
        head = head[-1] if isinstance(head, (list, tuple)) else head
        for name in ('num_classes', 'num_things_classes'):
            if head and head.get(name):
                return head[name]
    # in a part of a head, or VGG's, whose backbone holds the classifier
    for numbers in (_find_all(heads), _find_all(cfg.model)):
        if numbers:
            return max(numbers)
    raise ValueError(
        '`model` should have a head with num_classes, but got '
        f'{sorted(cfg.model)}. Give the aux nets in local_modules yourself.'
    )


def _find_part(cfg: Any, name: str) -> Optional[Any]:
    for key in name.split('.'):
        cfg = (cfg or {}).get(key)
    return cfg


def _find_all(cfg: Any) -> list[int]:
    found = []
    if isinstance(cfg, dict):
        found = [v for k, v in cfg.items() if k == 'num_classes' and v]
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        found += [number for value in cfg for number in _find_all(value)]
    return found
