"""Draw the predictions and reconstructions of the demo."""

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Optional

import matplotlib
import numpy as np
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS
from mmseg.apis import init_model
from mmseg.datasets import CityscapesDataset
from PIL import Image

from localsup_mm.engine import prepare_model, reconstruct

matplotlib.use('Agg')
import matplotlib.pyplot as plt

NUM_PICTURES = 3


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add('out', type=Path, help='folder for the pictures')
    add('data_root', type=Path, help='of the data set')
    add('config', help='of a model with local modules')
    add('checkpoint', help='of the same model')
    add('--methods', nargs='+', default=[], help='for the titles')
    add('--predictions', nargs='+', default=[], help='one folder a method')
    return parser.parse_args(argv)


def paint(labels: np.ndarray) -> np.ndarray:
    """Color a label image as Cityscapes does; ignored pixels are black."""
    colors = np.zeros((256, 3), np.uint8)
    palette = CityscapesDataset.METAINFO['palette']
    colors[: len(palette)] = palette
    return colors[labels]


def draw_grid(rows: list, titles: Sequence[str], path: Path) -> None:
    """Write rows of pictures below column titles.

    Args:
        rows (list): Lists of ``(H, W, 3)``.
        titles (Sequence[str]): One a column.
        path (Path): The PNG file.
    """
    height, width = rows[0][0].shape[:2]
    row_height = 3 * height / width + 0.05
    title_height = 0.2 * (1 + max(t.count('\n') for t in titles)) + 0.15
    size = (3 * len(titles), row_height * len(rows) + title_height)
    figure, grid = plt.subplots(
        len(rows), len(titles), figsize=size, squeeze=False
    )
    for axes, picture in zip(grid.flat, chain(*rows), strict=True):
        axes.imshow(picture)
        axes.axis('off')
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=11)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_predictions(
    data_root: Path, folders: dict[str, str], path: Path
) -> None:
    """Draw images, ground truth and predictions of the methods.

    Args:
        data_root (Path): Of the data set.
        folders (dict[str, str]): Method to folder of label images.
        path (Path): The PNG file.
    """
    rows = []
    images = sorted(data_root.glob('leftImg8bit/val/*/*.png'))
    for image in images[:NUM_PICTURES]:
        truth = str(image).replace('leftImg8bit/val', 'gtFine/val', 1)
        truth = truth.replace('_leftImg8bit', '_gtFine_labelTrainIds')
        labels = [
            truth,
            *(Path(f) / image.name for f in folders.values()),
        ]
        painted = [paint(np.asarray(Image.open(p))) for p in labels]
        rows.append([np.asarray(Image.open(image)), *painted])
    draw_grid(rows, ['image', 'ground truth', *folders], path)


def draw_reconstructions(
    config_file: str, checkpoint: str, path: Path
) -> None:
    """Draw what each local module's decoder makes of validation images.

    Args:
        config_file (str): Of a model with local modules.
        checkpoint (str): Of the same model.
        path (Path): The PNG file.
    """
    config = Config.fromfile(config_file)
    model = init_model(config, checkpoint, device='cpu')
    prepare_model(model)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in range(NUM_PICTURES)])
    inputs = model.data_preprocessor(batch, False)['inputs']
    images = [
        i.permute(0, 2, 3, 1).numpy() for i in reconstruct(model, inputs)
    ]
    names = [
        f'local module {k}\n(up to {m.boundary})'
        for k, m in enumerate(config.model.backbone.local_modules)
    ]
    rows = [list(row) for row in zip(*images, strict=True)]
    draw_grid(rows, ['image', *names], path)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    folders = dict(zip(args.methods, args.predictions, strict=True))
    draw_predictions(args.data_root, folders, args.out / 'predictions.png')
    path = args.out / 'reconstructions.png'
    draw_reconstructions(args.config, args.checkpoint, path)


if __name__ == '__main__':
    main()
