"""Write a small procedural street-scene data set in the Cityscapes layout.

    python demo/mini_cityscapes.py data/mini_cityscapes

For trying a segmentation config where Cityscapes itself is not at hand.
``street_scene.py`` draws; ``cityscapesscripts`` makes the label images from
its polygons, as for the real data set. Numbers measured on it say nothing
about Cityscapes.
"""

import argparse
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.utils import track_iter_progress
from PIL import Image
from street_scene import draw_scene

try:
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.helpers.labels import name2label
    from cityscapesscripts.preparation.json2labelImg import createLabelImage
except ImportError as error:
    raise ImportError(
        'The label images are made with cityscapesscripts, which cannot be '
        'imported. Run `pip install cityscapesscripts`.'
    ) from error

VERSION = 2  # raised whenever the same arguments give other files
RECORD = 'mini_cityscapes.json'
CITIES = {'train': ('altenau', 'birkheim', 'cedrow'), 'val': ('dunfurt',)}
# Image i of a split shows SHOWN[i % 4] and EVERYWHERE, so that four images
# of a split hold all 19 classes.
EVERYWHERE = ('road', 'sidewalk', 'building', 'vegetation', 'sky', 'car')
SHOWN = (
    ('wall', 'truck', 'traffic light', 'person', 'pole'),
    ('fence', 'bus', 'rider', 'bicycle', 'traffic sign'),
    ('terrain', 'train', 'traffic sign', 'person'),
    ('motorcycle', 'fence', 'wall', 'terrain', 'traffic light'),
)
MAX_ATTEMPTS = 100


def make_sample(
    seed: int, split: str, index: int, size: Tuple[int, int]
) -> Tuple[bytes, bytes, bytes]:
    """Return the files of one street: polygons, label image and picture.

    They depend on the arguments only, not on what was made before.
    """
    shown = SHOWN[index % len(SHOWN)]
    needed = [name2label[n].trainId for n in (*EVERYWHERE, *shown)]
    for attempt in range(MAX_ATTEMPTS):
        key = [seed, list(CITIES).index(split), index, attempt]
        image, shapes = draw_scene(np.random.default_rng(key), size, shown)
        objects = [{'label': n, 'polygon': p} for n, p in shapes]
        polygons = json.dumps(
            {'imgHeight': size[0], 'imgWidth': size[1], 'objects': objects}
        )
        annotation = Annotation()
        annotation.fromJsonText(polygons)
        labels = createLabelImage(annotation, 'trainIds')
        counts = np.bincount(np.ravel(labels), minlength=256)
        if counts[needed].min() >= max(4, size[0] * size[1] // 4000):
            return polygons.encode(), encode_png(labels), encode_png(image)
    raise RuntimeError(
        f'`size` should leave room for {", ".join(shown)}, but got {size!r}. '
        'Choose a larger image, or one about twice as wide as high.'
    )


def encode_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format='PNG', compress_level=3)
    return buffer.getvalue()


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that an interruption leaves none or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + '.tmp')
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def sample_paths(out: Path, split: str, index: int) -> Tuple[Path, ...]:
    """Return where polygons, label image and picture go."""
    cities = CITIES[split]
    city = cities[index % len(cities)]
    stem = f'{city}_{index // len(cities):06d}_000019'
    truth = out / 'gtFine' / split / city
    return (
        truth / f'{stem}_gtFine_polygons.json',
        truth / f'{stem}_gtFine_labelTrainIds.png',
        out / 'leftImg8bit' / split / city / f'{stem}_leftImg8bit.png',
    )


def _check_int(name: str, value: Any, low: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(
            f'`{name}` should be an int, but got {value!r}. '
            f'Give a whole number of at least {low}.'
        )
    if value < low:
        raise ValueError(
            f'`{name}` should be at least {low}, but got {value!r}. '
            'Give a larger number.'
        )


def parse_size(size: str) -> Tuple[int, int]:
    """Return height and width of a text like '256x512'."""
    match = re.fullmatch(r'(\d+)x(\d+)', size)
    if match is None:
        raise ValueError(
            '`size` should be HEIGHTxWIDTH in pixels, but got '
            f'{size!r}. Write it as 256x512.'
        )
    return int(match[1]), int(match[2])


def _prepare_folder(out: Path, record: str, force: bool) -> None:
    """Refuse a folder that holds something else; with force, clear ours."""
    if out.exists() and not out.is_dir():
        raise ValueError(
            f'`out` should be a folder, but got {str(out)!r}. Choose another.'
        )
    ours = {
        out / kind / split / city
        for kind in ('leftImg8bit', 'gtFine')
        for split, cities in CITIES.items()
        for city in cities
    }
    found = {*out.glob('leftImg8bit/*/*'), *out.glob('gtFine/*/*')}
    foreign = sorted(found - ours)
    if foreign:
        raise ValueError(
            f'`out` should hold no other data set, but got {str(out)!r} with '
            f'{str(foreign[0].relative_to(out))!r}. Choose another folder; '
            '`force` deletes only what this tool has written.'
        )
    if force:
        (out / RECORD).unlink(missing_ok=True)
        for folder in ours:
            shutil.rmtree(folder, ignore_errors=True)
    elif out.is_dir() and any(out.iterdir()):
        path = out / RECORD
        other = path.read_text() if path.is_file() else ''
        if other != record:
            other = other or repr(min(p.name for p in out.iterdir()))
            raise ValueError(
                f'`out` should be empty or hold this data set, {record}, but '
                f'got {str(out)!r} with {other}. Choose another folder or set '
                '`force` to replace what this tool has written there.'
            )


def generate(
    out: Union[str, Path],
    train: int = 48,
    val: int = 12,
    size: Tuple[int, int] = (256, 512),
    seed: int = 0,
    force: bool = False,
) -> bool:
    """Write the data set, or what an interrupted call left out of it.

    Each split of four images or more shows all 19 classes.

    Args:
        out (Union[str, Path]): Folder to write to; new, empty, or holding
            this same data set.
        train (int): Number of training images. Defaults to 48.
        val (int): Number of validation images. Defaults to 12.
        size (Tuple[int, int]): Height and width in pixels, each at least 64.
            Defaults to (256, 512).
        seed (int): The same seed gives the same bytes. Defaults to 0.
        force (bool): Whether to replace what an earlier call wrote with
            other arguments. Defaults to False.

    Returns:
        bool: Whether anything had to be written.

    Raises:
        TypeError: A number is not an int.
        ValueError: A number is too small, or ``out`` holds something else.
        RuntimeError: The classes find no room in an image of this size.
    """
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(
            '`size` should be height and width in pixels, but '
            f'got {size!r}. Give two ints, as (256, 512).'
        )
    for name, value in (('train', train), ('val', val), ('seed', seed)):
        _check_int(name, value, 0)
    for i, value in enumerate(size):
        _check_int(f'size[{i}]', value, 64)
    settings = {'version': VERSION, 'train': train, 'val': val}
    record = json.dumps({**settings, 'size': list(size), 'seed': seed})
    out = Path(out)
    _prepare_folder(out, record, force)
    missing = [
        (split, i)
        for split, count in (('train', train), ('val', val))
        for i in range(count)
        if not all(p.is_file() for p in sample_paths(out, split, i))
    ]
    if not missing and (out / RECORD).is_file():
        print(f'{out} already holds this data set, nothing to do.')
        return False
    # First, so that what an interrupted call leaves is known by its record.
    write_file(out / RECORD, record.encode())
    for split, i in track_iter_progress(missing):
        files = make_sample(seed, split, i, size)
        paths = sample_paths(out, split, i)
        for path, content in zip(paths, files, strict=True):
            write_file(path, content)
    print(f'\n{out} holds {train} training and {val} validation images.')
    return True


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add('out', help='folder to write the data set to')
    add('--train', type=int, default=48, help='number of training images')
    add('--val', type=int, default=12, help='number of validation images')
    add('--size', default='256x512', help='HEIGHTxWIDTH in pixels')
    add('--seed', type=int, default=0, help='same seed, same bytes')
    add('--force', action='store_true', help='replace an earlier run in OUT')
    args = vars(parser.parse_args(argv))
    try:
        generate(**{**args, 'size': parse_size(args['size'])})
    except (ValueError, RuntimeError) as error:
        parser.exit(2, f'{parser.prog}: error: {error}\n')


if __name__ == '__main__':
    main()
