"""Height and width of images, from a command line or a config."""

import re

from mmengine.config import Config


def parse_size(text: str, option: str = '--size') -> tuple[int, int]:
    """Height and width of a text like ``'512x1024'``.

    Args:
        text (str): The text.
        option (str): Where it was given. Defaults to '--size'.

    Returns:
        tuple[int, int]: In pixels.

    Raises:
        ValueError: If it is not of that form.
    """
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if match is None:
        raise ValueError(
            f'`{option}` should be HxW, but got {text!r}. Write the height '
            'and width in pixels, e.g. 512x1024.'
        )
    return int(match[1]), int(match[2])


def find_image_size(cfg: Config) -> tuple[int, int]:
    """Height and width that a config's training images are brought to.

    Args:
        cfg (Config): Of any host.

    Returns:
        tuple[int, int]: In pixels.

    Raises:
        ValueError: If its training pipeline neither crops nor resizes to a
            fixed size.
    """
    dataset = cfg.train_dataloader.dataset
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset.dataset
    pipeline = {t['type']: t for t in dataset.get('pipeline', [])}
    for name, key in _SIZES.items():
        size = pipeline.get(name, {}).get(key)
        if isinstance(size, int):
            return size, size
        if size is not None:
            # Resize alone names the width first
            return tuple(size[::-1] if name == 'Resize' else size)
    raise ValueError(
        '`train_dataloader.dataset.pipeline` should have one of '
        f'{list(_SIZES)}, but got {list(pipeline)!r}. Add one of the image '
        'size, or give --size where the tool has it.'
    )


# what says the size in a pipeline; the first of these that is there
_SIZES = {
    'RandomCrop': 'crop_size',
    'RandomResizedCrop': 'scale',
    'Resize': 'scale',
}
