"""Train a small network end to end and with InfoPro, and compare them.

    python demo/demo.py

On generated street scenes, from random weights, on a CPU: both get the same
seed, learning rate and iterations. It shows that local supervision works,
not how accurate it is: 80 iterations on 48 images say nothing about that.
Finished trainings are kept, so a second call is quick.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {
    'end-to-end': 'configs/e2e/deeplabv3_r18_mini-cityscapes.py',
    'InfoPro K=4': 'configs/infopro/deeplabv3_r18_k4_mini-cityscapes.py',
}
LARGE_CONFIGS = (
    'configs/e2e/deeplabv3_r101_cityscapes.py',
    'configs/infopro/deeplabv3_r101_cityscapes.py',
    'configs/infopro/deeplabv3_r101_k7_cheap_cityscapes.py',
)
LOCALSUP = ('-m', 'localsup_mm.cli.main')
SILENCE = 8  # seconds without a line of output after which one is printed


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add('--work-dir', default='work_dirs/demo', help='for all results')
    add('--data-root', default='data/mini_cityscapes', help='written first')
    add('--size', default='256x512', help='HEIGHTxWIDTH of the images')
    add('--iters', type=int, default=80, help='of each training')
    add('--seed', type=int, default=0, help='of both trainings')
    add('--fresh', action='store_true', help='train anew')
    return parser.parse_args(argv)


def run(*words: Any) -> None:
    """Run Python in the repository, its output shown as it comes.

    Args:
        *words (Any): A script, or ``-m`` and a module, and its arguments.

    Raises:
        SystemExit: If it fails; with the command and what it last printed.
    """
    command = [sys.executable, *map(str, words)]
    print('$ python', *command[1:], flush=True)
    begin = last_line = time.monotonic()
    is_done = threading.Event()

    def break_silence() -> None:
        nonlocal last_line
        while not is_done.wait(1):
            now = time.monotonic()
            if now - last_line >= SILENCE:
                print(f'  ... working, {now - begin:.0f} s', flush=True)
                last_line = now

    threading.Thread(target=break_silence, daemon=True).start()
    lines: deque[str] = deque(maxlen=30)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONUNBUFFERED': '1',
            'PYTHONWARNINGS': 'ignore',
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout:
            print(line, end='', flush=True)
            last_line = time.monotonic()
            lines.append(line)
    is_done.set()
    if process.returncode != 0:
        raise SystemExit(
            f'\nThe demo ends here: exit status {process.returncode} of\n'
            f'  python {" ".join(command[1:])}\n'
            f'Its last lines:\n\n{"".join(lines)}'
        )


def train(method: str, folder: Path, args: argparse.Namespace) -> None:
    """Train by the command line tool; a finished training is kept.

    Args:
        method (str): A key of ``CONFIGS``.
        folder (Path): For everything about the method.
        args (argparse.Namespace): Of the demo.
    """
    finished = folder / 'finished.json'
    settings = json.dumps([args.data_root, args.size, args.iters, args.seed])
    is_same = finished.exists() and finished.read_text() == settings
    if is_same and not args.fresh:
        print(f'{folder} holds this training (--fresh repeats it).')
        return
    finished.unlink(missing_ok=True)
    shutil.rmtree(folder / 'train', ignore_errors=True)
    run(
        *LOCALSUP,
        'train',
        CONFIGS[method],
        '--work-dir',
        folder / 'train',
        '--cfg-options',
        *(
            f'{split}_dataloader.dataset.data_root={args.data_root}'
            for split in ('train', 'val', 'test')
        ),
        f'train_cfg.max_iters={args.iters}',
        f'train_cfg.val_interval={args.iters}',
        f'param_scheduler.0.end={args.iters}',
        f'default_hooks.checkpoint.interval={args.iters}',
        f'randomness.seed={args.seed}',
    )
    finished.write_text(settings)


def test(folder: Path) -> None:
    """Test by the command line tool, with the config the training wrote.

    Args:
        folder (Path): Of a finished training; gets ``predictions``.
    """
    shutil.rmtree(folder / 'test', ignore_errors=True)
    run(
        *LOCALSUP,
        'test',
        *find_model(folder),
        '--work-dir',
        folder / 'test',
        '--out',
        folder / 'predictions',
    )


def find_model(folder: Path) -> tuple[Path, Path]:
    """Find the config and the checkpoint of a training."""
    return next(folder.glob('train/*.py')), next(folder.glob('train/*.pth'))


def read_results(folder: Path) -> tuple[float, float]:
    """Read what a finished run measured.

    Args:
        folder (Path): Of the run.

    Returns:
        tuple[float, float]: mIoU in percent of the test, and peak memory of
        the training in MiB.
    """
    metrics = json.loads(next(folder.glob('test/*/*.json')).read_text())
    scalars = next(folder.glob('train/*/vis_data/scalars.json'))
    records = map(json.loads, scalars.read_text().splitlines())
    peaks = [r['peak_memory'] for r in records if 'peak_memory' in r]
    return metrics['mIoU'], max(peaks, default=float('nan'))


def print_table(results: dict, work_dir: Path) -> None:
    """Print what was measured."""
    print(
        f'\n{"DeepLabV3-R18 of this demo":<32}{"mIoU":>8}{"peak memory":>16}'
    )
    for method, (miou, peak) in results.items():
        print(f'{method:<32}{miou:>6.2f} %{peak:>12.0f} MiB')
    print('\nDeepLabV3-R101, 2 x 3 x 512 x 1024, counted on fake tensors')
    methods = json.loads((work_dir / 'memory.json').read_text())['methods']
    for name, method in methods.items():
        print(f'{name:<32}{method["peak_memory"] / 2**30:>20.2f} GiB')


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    work_dir = Path(args.work_dir).resolve()
    args.data_root = str(Path(args.data_root).resolve())
    begin = time.monotonic()
    print(f'[1/5] Write street scenes to {args.data_root}')
    converter = 'demo/mini_cityscapes.py'
    run(converter, args.data_root, '--size', args.size)
    folders = {m: work_dir / Path(c).parts[1] for m, c in CONFIGS.items()}
    for method, folder in folders.items():
        print(f'\n[2/5] Train {method}, {args.iters} iterations')
        train(method, folder, args)
    for method, folder in folders.items():
        print(f'\n[3/5] Test {method}')
        test(folder)
    print('\n[4/5] Count the memory of a large network')
    run(
        *LOCALSUP,
        'compare',
        *LARGE_CONFIGS,
        '--fake',
        '--batch=2',
        '--size=512x1024',
        f'--chart={work_dir / "memory.png"}',
        '--chart-kind=bars',
        f'--json={work_dir / "memory.json"}',
    )
    print('\n[5/5] Draw predictions and reconstructions')
    run(
        'demo/demo_pictures.py',
        work_dir,
        args.data_root,
        *find_model(folders['InfoPro K=4']),
        '--methods',
        *folders,
        '--predictions',
        *(folder / 'predictions' for folder in folders.values()),
    )
    print_table({m: read_results(f) for m, f in folders.items()}, work_dir)
    print(f'\nPictures in {args.work_dir}:')
    print('predictions.png, reconstructions.png, memory.png')
    print(f'Done in {time.monotonic() - begin:.0f} s.')


if __name__ == '__main__':
    main()
