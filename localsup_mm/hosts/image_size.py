"""The size of the images that a network is trained on."""

import re
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

__all__ = ['find_image_size', 'find_transforms', 'parse_image_size']


def parse_image_size(text: str, argument: str) -> tuple[int, int]:
    """Read a text like ``'512x1024'``.

    Args:
        text (str): The text.
        argument (str): Name of the setting, for messages.

    Returns:
        tuple[int, int]: Height and width, in pixels.

    Raises:
        ValueError: If the text is not of that form.
    """
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if match is None:
        raise ValueError(
            f'`{argument}` should be HxW, but got {text!r}. Write the height '
            'and width in pixels, e.g. 512x1024.'
        )
    return int(match[1]), int(match[2])


def find_image_size(cfg: Config) -> tuple[int, int]:
    """Find height and width of the images that a config trains on.

    The last crop of the training pipeline counts, or the largest size where
    it does not crop; without a pipeline the ``image_size`` of the data set.

    Args:
        cfg (Config): The config of a training.

    Returns:
        tuple[int, int]: Height and width, in pixels. The image is in
        landscape format where the ratio of its sides is kept.

    Raises:
        ValueError: If the pipeline neither crops nor resizes to a known size.
    """
    crops, resizes, names = [], [], []
    for transform in find_transforms(cfg):
        name = str(transform['type']).rsplit('.', 1)[-1]
        names.append(name)
        crop_type = transform.get('crop_type', 'absolute')
        if name in _CROPS and crop_type == 'absolute':
            crops.append(_to_size(transform.get(_CROPS[name])))
        elif name in _RESIZES:
            scales = transform.get(_RESIZES[name])
            if _is_one_size(scales):
                scales = [scales]
            for scale in scales or []:
                height, width = _to_size(scale)[::-1]
                # as its random variants, Resize itself does not by default
                if transform.get('keep_ratio', name != 'Resize'):
                    height, width = sorted((height, width))
                resizes.append((height, width))
    if crops:
        return crops[-1]
    if resizes:
        return max(resizes, key=lambda size: size[0] * size[1])
    # a data set that makes them itself, as InMemoryCIFAR10
    if 'image_size' in cfg.train_dataloader.dataset:
        return _to_size(cfg.train_dataloader.dataset.image_size)
    raise ValueError(
        '`train_dataloader.dataset.pipeline` should crop or resize to a known '
        f'size, but got {names}. Give `image_size` yourself (e.g. by --size '
        'HxW), or input_shape=(B, C, H, W) of local_modules.'
    )


_CROPS = {
    'RandomCrop': 'crop_size',
    'RandomResizedCrop': 'scale',
    'EfficientNetRandomCrop': 'scale',
}
# width first
_RESIZES = {
    'RandomChoiceResize': 'scales',
    'RandomResize': 'scale',
    'Resize': 'scale',
}


def find_transforms(cfg: Config) -> Iterator[dict]:
    """Find the transforms of all training pipelines, at any depth."""
    return _find_typed(cfg.get('train_dataloader', {}).get('dataset', {}))


def _find_typed(cfg: Any) -> Iterator[dict]:
    if isinstance(cfg, dict):
        if 'type' in cfg:
            yield cfg
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for value in cfg:
            yield from _find_typed(value)


def _is_one_size(value: Any) -> bool:
    is_pair = isinstance(value, (list, tuple)) and len(value) == 2
    return isinstance(value, int) or (is_pair and isinstance(value[0], int))


def _to_size(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second
