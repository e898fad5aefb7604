"""Write a small data set of drawn videos, as frames in folders.

    python demo/mini_videos.py data/mini_videos

It lets you try a video config where no real videos are at hand. A disc or a
square moves over a still background, around at the edges; the class of a video
is the direction, which no single frame shows. mmaction2 reads it as a
``RawframeDataset``. Numbers measured on it say nothing about real videos.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import numpy as np
from PIL import Image

# the class of a video, and the step of its shape: right and down
DIRECTIONS = {'left': (-1, 0), 'right': (1, 0), 'up': (0, -1), 'down': (0, 1)}


def draw_video(
    rng: np.random.Generator, direction: str, num_frames: int, size: int
) -> np.ndarray:
    """Draw a video.

    Args:
        rng (np.random.Generator): The source of all that varies.
        direction (str): One of ``DIRECTIONS``.
        num_frames (int): The number of frames.
        size (int): Height and width in pixels.

    Returns:
        np.ndarray: ``(num_frames, size, size, 3)``, uint8.
    """
    tiles = rng.integers(0, 128, (4, 4, 3))
    background = np.kron(tiles, np.ones((size // 4, size // 4, 1)))
    colour = rng.integers(128, 256, 3)
    place = rng.integers(0, size, 2)
    step = np.array(DIRECTIONS[direction]) * size // 16
    radius = rng.integers(size // 8, size // 5)
    is_disc = rng.integers(2)
    axis = np.arange(size)
    frames = []
    for i in range(num_frames):
        # distances around the edges
        x, y = (
            np.abs((axis - p + size // 2) % size - size // 2)
            for p in place + i * step
        )
        x, y = x[None, :], y[:, None]
        inside = (
            x**2 + y**2 < radius**2
            if is_disc
            else np.maximum(x, y) < 0.9 * radius
        )
        frames.append(np.where(inside[..., None], colour, background))
    return np.stack(frames).astype(np.uint8)


def generate(
    out: Path, train: int, val: int, num_frames: int, size: int, seed: int = 0
) -> None:
    """Write the data set.

    Args:
        out (Path): Its folder.
        train (int): Number of training videos.
        val (int): Number of validation videos.
        num_frames (int): Frames of each.
        size (int): Height and width in pixels.
        seed (int): The same one gives the same files. Defaults to 0.
    """
    for split, number in (('train', train), ('val', val)):
        lines = []
        for i in range(number):
            rng = np.random.default_rng([seed, split == 'val', i])
            label = i % len(DIRECTIONS)
            video = draw_video(rng, [*DIRECTIONS][label], num_frames, size)
            folder = out / 'frames' / f'{split}_{i:04}'
            folder.mkdir(parents=True, exist_ok=True)
            for k, frame in enumerate(video, 1):
                path = folder / f'img_{k:05}.jpg'
                Image.fromarray(frame).save(path, quality=95)
            lines.append(f'{folder.name} {num_frames} {label}\n')
        (out / f'{split}.txt').write_text(''.join(lines))
    print(f'{out} holds {train} training and {val} validation videos.')


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add('out', type=Path, help='folder to write the data set to')
    add('--train', type=int, default=256, help='number of training videos')
    add('--val', type=int, default=64, help='number of validation videos')
    add('--num-frames', type=int, default=12, help='frames of a video')
    add('--size', type=int, default=64, help='height and width in pixels')
    add('--seed', type=int, default=0, help='same seed, same files')
    generate(**vars(parser.parse_args(argv)))


if __name__ == '__main__':
    main()
