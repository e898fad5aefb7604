"""Write a small data set of drawn street scenes in the Cityscapes layout.

    python demo/mini_cityscapes.py data/mini_cityscapes

It lets you try a segmentation config where Cityscapes itself is not at hand.
Each scene has a horizon, and boxes that stand for all 19 classes;
``cityscapesscripts`` makes the label images from its polygons, as for the real
data set. Numbers measured on it say nothing about Cityscapes.
"""

import argparse
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

import numpy as np
from PIL import Image, ImageColor, ImageDraw

try:
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.preparation.json2labelImg import createLabelImage
except ImportError as error:
    raise ImportError(
        'The label images are made with cityscapesscripts, which cannot be '
        'imported. Run `pip install cityscapesscripts`.'
    ) from error

VERSION = 3  # raised whenever the same arguments give other files
RECORD = 'mini_cityscapes.json'
CITIES = {'train': 'altenau', 'val': 'dunfurt'}
COLOURS = (
    'road:dimgray sidewalk:rosybrown building:tan wall:slategray '
    'fence:peru pole:darkgray vegetation:olivedrab terrain:darkkhaki '
    'sky:lightsteelblue person:firebrick rider:coral car:midnightblue '
    'truck:sienna bus:orange train:seagreen motorcycle:indigo bicycle:black '
    'traffic_light:gold traffic_sign:royalblue ego_vehicle:black'
)
COLOUR = {
    name.replace('_', ' '): ImageColor.getrgb(colour)
    for name, colour in (pair.split(':') for pair in COLOURS.split())
}
# one box a column along the horizon, with its height in heights of the image
BACKGROUND = {'building': 0.3, 'vegetation': 0.2, 'wall': 0.1, 'fence': 0.08}
# one box a column on the ground, with its width in columns and its height in
# heights of the image
OBJECTS = {
    'car': (0.9, 0.14),
    'truck': (0.9, 0.28),
    'bus': (0.9, 0.25),
    'train': (1.0, 0.3),
    'motorcycle': (0.7, 0.12),
    'bicycle': (0.6, 0.12),
    'person': (0.4, 0.2),
    'rider': (0.4, 0.22),
    'pole': (0.2, 0.4),
    'traffic light': (0.3, 0.12),
    'traffic sign': (0.5, 0.1),
}


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[Image.Image, list[dict]]:
    """Draw a street that shows all classes.

    Args:
        rng (np.random.Generator): The source of all that varies.
        size (tuple[int, int]): Height and width in pixels.

    Returns:
        tuple[Image.Image, list[dict]]: The picture, and label and polygon of
            each shape, those in front last.
    """
    height, width = size
    shapes = []

    def add(label: str, *corners: tuple[float, float]) -> None:
        polygon = [[round(float(x)), round(float(y))] for x, y in corners]
        shapes.append({'label': label, 'polygon': polygon})

    def add_box(label: str, x: float, wide: float, y: float, high: float):
        wide = max(wide, 2)
        bottom = (x + wide, y), (x, y)
        add(label, (x, y - high), (x + wide, y - high), *bottom)

    horizon = height * rng.uniform(0.4, 0.5)
    center = width * rng.uniform(0.4, 0.6)
    add_box('sky', 0, width, horizon, horizon)
    add_box('terrain', 0, width, height, height - horizon)
    for label, half in (('sidewalk', 0.7), ('road', 0.45)):
        ends = (width * (0.5 + half), height), (width * (0.5 - half), height)
        add(label, (center - 1, horizon), (center + 1, horizon), *ends)
    kinds = rng.permutation([*BACKGROUND, *BACKGROUND, 'building'])
    column = width / len(kinds)
    for i, label in enumerate(kinds):
        high = height * (BACKGROUND[label] * rng.uniform(0.7, 1.1) + 0.03)
        add_box(label, i * column, column, horizon + 0.03 * height, high)
    column = width / len(OBJECTS)
    for i, label in enumerate(rng.permutation([*OBJECTS])):
        wide, high = OBJECTS[label] * np.array([column, height])
        high *= rng.uniform(0.8, 1.2)
        x = i * column + rng.uniform(0, 1) * (column - wide)
        y = horizon + rng.uniform(0.2, 0.8) * (height - horizon)
        if label.startswith('traffic'):
            y = horizon - 0.1 * height
            add_box('pole', x + 0.4 * wide, 0.1 * column, horizon * 1.3, y)
        add_box(label, x, wide, y, high)
    add_box('ego vehicle', 0.3 * width, 0.4 * width, height, 0.05 * height)

    image = Image.new('RGB', (width, height))
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        rgb = rng.normal(COLOUR[shape['label']], 15).clip(0, 255).astype(int)
        draw.polygon([*map(tuple, shape['polygon'])], fill=tuple(rgb.tolist()))
    pixels = np.asarray(image) * rng.uniform(0.75, 1.15)
    pixels = rng.normal(pixels, 12).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels), shapes


def sample_paths(out: Path, split: str, index: int) -> tuple[Path, ...]:
    """Return where polygons, label image and picture of a scene go."""
    city = CITIES[split]
    stem = f'{city}_{index:06d}_000019'
    truth = out / 'gtFine' / split / city
    return (
        truth / f'{stem}_gtFine_polygons.json',
        truth / f'{stem}_gtFine_labelTrainIds.png',
        out / 'leftImg8bit' / split / city / f'{stem}_leftImg8bit.png',
    )


def write_sample(
    out: Path, split: str, index: int, size: tuple[int, int], seed: int
) -> None:
    """Write the files of one scene; they depend on the arguments only."""
    key = [seed, list(CITIES).index(split), index]
    picture, objects = draw_scene(np.random.default_rng(key), size)
    polygons = {'imgHeight': size[0], 'imgWidth': size[1], 'objects': objects}
    annotation = Annotation()
    annotation.fromJsonText(json.dumps(polygons))
    paths = sample_paths(out, split, index)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    paths[0].write_text(json.dumps(polygons))
    createLabelImage(annotation, 'trainIds').save(paths[1])
    # last and at once: where the picture is, all files are
    unfinished = paths[2].with_suffix('.tmp')
    picture.save(unfinished, format='PNG')
    os.replace(unfinished, paths[2])


def parse_size(size: str) -> tuple[int, int]:
    """Return height and width of a text like '256x512'."""
    match = re.fullmatch(r'(\d+)x(\d+)', size)
    if match is None:
        raise ValueError(
            f'`size` should be HEIGHTxWIDTH in pixels, but got {size!r}. '
            'Write it as 256x512.'
        )
    return int(match[1]), int(match[2])


def _prepare_folder(out: Path, record: str, force: bool) -> None:
    """Refuse a folder that holds something else; with force, clear ours."""
    path = out / RECORD
    found = path.read_text() if path.is_file() else None
    if found == record:
        return
    is_other = found is None and out.exists()
    is_other = is_other and (out.is_file() or any(out.iterdir()))
    if is_other or (found and not force):
        raise ValueError(
            f'`out` should be empty or hold this data set, {record}, but got '
            f'{str(out)!r} with {found or "other files"}. Choose another '
            'folder; `force` replaces what this tool has written.'
        )
    for kind in ('leftImg8bit', 'gtFine'):
        for split, city in CITIES.items():
            shutil.rmtree(out / kind / split / city, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    # first, so that what an interrupted call leaves is known by its record
    path.write_text(record)


def generate(
    out: Union[str, Path],
    train: int = 48,
    val: int = 12,
    size: tuple[int, int] = (256, 512),
    seed: int = 0,
    force: bool = False,
) -> bool:
    """Write the data set, or what an interrupted call left out of it.

    Args:
        out (Union[str, Path]): The folder to write to; it is new, empty, or
            holds this same data set.
        train (int): Number of training images. Defaults to 48.
        val (int): Number of validation images. Defaults to 12.
        size (tuple[int, int]): Height and width in pixels, each at least 64.
            Defaults to (256, 512).
        seed (int): The same seed gives the same bytes. Defaults to 0.
        force (bool): Whether to replace what an earlier call wrote with
            other arguments. Defaults to False.

    Returns:
        bool: Whether anything had to be written.

    Raises:
        ValueError: If a number is too small, or ``out`` holds something else.
    """
    numbers = {'train': train, 'val': val, 'seed': seed, 'size': min(size)}
    for name, value in numbers.items():
        least = 64 if name == 'size' else 0
        if value < least:
            raise ValueError(
                f'`{name}` should be at least {least}, but got {value!r}. '
                'Give a larger number.'
            )
    out = Path(out)
    settings = {'version': VERSION, 'train': train, 'val': val}
    record = json.dumps({**settings, 'size': list(size), 'seed': seed})
    _prepare_folder(out, record, force)
    missing = [
        (split, i)
        for split, count in (('train', train), ('val', val))
        for i in range(count)
        if not all(p.is_file() for p in sample_paths(out, split, i))
    ]
    for split, i in missing:
        write_sample(out, split, i, size, seed)
    print(f'{out} holds {train} training and {val} validation images.')
    return bool(missing)


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
    except ValueError as error:
        parser.exit(2, f'{parser.prog}: error: {error}\n')


if __name__ == '__main__':
    main()
