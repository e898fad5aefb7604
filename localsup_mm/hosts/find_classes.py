"""The number of classes of a network."""

from collections.abc import Iterable

from mmengine.config import Config

from .config_parts import find_head, iterate_parts

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
    head = find_head(cfg, names)
    for name in ('num_classes', 'num_things_classes'):
        if head and head.get(name):
            return head[name]
    # in a part of a head, or VGG's, whose backbone holds the classifier
    for place in (head, cfg.model):
        parts = iterate_parts(place)
        numbers = [p['num_classes'] for p in parts if p.get('num_classes')]
        if numbers:
            return max(numbers)
    raise ValueError(
        '`model` should have a head with num_classes, but got '
        f'{sorted(cfg.model)}. Give the aux nets in local_modules yourself.'
    )
