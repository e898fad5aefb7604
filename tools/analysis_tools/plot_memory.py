"""Chart the peak training memory of a network, counted on fake tensors.

    python tools/analysis_tools/plot_memory.py \
        configs/e2e/deeplabv3_r101_cityscapes.py \
        configs/infopro/deeplabv3_r101_cityscapes.py \
        configs/infopro/deeplabv3_r101_k7_cheap_cityscapes.py \
        --batch 2 --size 512x1024 --out memory.png

Compares end to end, activation checkpointing, local supervision and the last
two together. Needs no GPU, no data and some seconds.
"""

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import matplotlib
from mmengine.config import Config
from training_cost import predict_cost
from training_methods import Method, read_config

from localsup_mm.hosts import parse_image_size
from localsup_mm.supervision import expand_local_modules

matplotlib.use('Agg')
import matplotlib.pyplot as plt

END_TO_END = 'end-to-end'
CHECKPOINTING = 'activation\ncheckpointing'


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('e2e_config', help='trains the network end to end')
    parser.add_argument(
        'local_configs', nargs='+', help='train it by local modules'
    )
    parser.add_argument('--batch', type=int, default=2, help='images')
    parser.add_argument('--size', default='512x1024', help='HxW in pixels')
    parser.add_argument('--name', help='of the network, for the title')
    parser.add_argument('--out', default='memory.png', help='the picture')
    parser.add_argument('--json', help='write the bytes to this file too')
    return parser.parse_args(argv)


def name_method(cfg: Config) -> str:
    """Say how the local modules of a config learn, and how many there are.

    Args:
        cfg (Config): Of a locally supervised model.

    Returns:
        str: For instance ``'InfoPro K=2'``.

    Raises:
        ValueError: If the backbone has no local modules.
    """
    local_modules = cfg.model.backbone.get('local_modules')
    if isinstance(local_modules, dict):
        local_modules = expand_local_modules(**local_modules)
    if not local_modules:
        raise ValueError(
            '`local_configs` should have model.backbone.local_modules, but '
            f'got {cfg.filename!r}. Choose one below configs/infopro.'
        )
    has_decoder = any(m.get('decoder') for m in local_modules)
    method = 'InfoPro' if has_decoder else 'greedy'
    return f'{method} K={len(local_modules) + 1}'


def measure_all(
    e2e: Config,
    local: Sequence[Config],
    num_images: int,
    size: tuple[int, int],
) -> dict[str, int]:
    """Measure the ways to train; prints each when it is there.

    Args:
        e2e (Config): Trains the network end to end.
        local (Sequence[Config]): Train it by local modules.
        num_images (int): B.
        size (tuple[int, int]): H and W, in pixels.

    Returns:
        dict[str, int]: Bytes of each.
    """
    ways = {
        END_TO_END: Method(e2e),
        CHECKPOINTING: Method(e2e, with_cp=True),
    }
    for cfg in local:
        method = name_method(cfg)
        ways[method] = Method(cfg)
        ways[f'{method} +\ncheckpointing'] = Method(cfg, with_cp=True)
    peaks = {}
    for way, choice in ways.items():
        begin = time.monotonic()
        cost = predict_cost(choice, num_images, size)
        peaks[way] = cost.peak_memory
        label = way.replace('\n', ' ')
        print(
            f'{label:<27}{peaks[way] / 2**30:6.2f} GiB  '
            f'({time.monotonic() - begin:.0f} s)',
            flush=True,
        )
    return peaks


def plot(peaks: dict[str, int], title: str, path: Path) -> None:
    """Draw a bar for each way to train.

    Args:
        peaks (dict[str, int]): Bytes of each; the first is the baseline.
        title (str): Two lines at most.
        path (Path): The picture.
    """
    gib = [peak / 2**30 for peak in peaks.values()]
    colors = ['#2a7f9e' if 'K=' in way else '#9aa5ab' for way in peaks]
    figure, axes = plt.subplots(
        figsize=(1.4 + 1.4 * len(peaks), 4.2), layout='constrained'
    )
    bars = axes.bar(list(peaks), gib, color=colors, width=0.62)
    labels = [
        f'{value:.2f}' if i == 0 else f'{value:.2f}\n({value / gib[0]:.0%})'
        for i, value in enumerate(gib)
    ]
    axes.bar_label(bars, labels, padding=3)
    axes.set_ylim(0, 1.15 * max(gib))
    axes.set_ylabel('peak training memory (GiB)')
    axes.set_title(title, fontsize=11)
    axes.spines[['top', 'right']].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', category=UserWarning)
    height, width = parse_image_size(args.size)
    e2e = read_config(args.e2e_config)
    local = [read_config(path) for path in args.local_configs]
    peaks = measure_all(e2e, local, args.batch, (height, width))
    title = (
        f'{args.name or Path(args.e2e_config).stem}: batch {args.batch}, '
        f'crop {height} x {width}\n'
        'parameters, gradients, optimizer state and activations, '
        'counted on fake tensors'
    )
    plot(peaks, title, Path(args.out))
    if args.json:
        content = {way.replace('\n', ' '): b for way, b in peaks.items()}
        Path(args.json).write_text(json.dumps(content, indent=2) + '\n')
    print(f'Chart: {args.out}', flush=True)


if __name__ == '__main__':
    main()
