"""Estimate what features keep of the image and its labels.

At each boundary of a trained network, which is frozen, a decoder learns to
rebuild the image and a head to tell the labels; both are measured on the
validation set. The figures of a file given by --json stay in it: a second
network, or a later checkpoint, gets a second line in the chart.

example:
  localsup probe my.py work_dirs/my/iter_40000.pth --name infopro \\
      --json work_dirs/probes.json --chart work_dirs/probes.png
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Optional

from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, load_checkpoint, set_random_seed
from torch.utils.data import DataLoader

from ..analysis import (
    draw_probes,
    find_versions,
    format_table,
    make_probes,
)
from ..engine import (
    check_data,
    check_weights,
    empty_data_explained,
    read_weights,
    weights_suffice,
)
from ..hosts import find_host, read_config
from ..simulation import build_host_model
from .arguments import add_shared

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'config', 'checkpoint')
    parser.add_argument(
        '--num-boundaries',
        type=int,
        metavar='N',
        help='at how many places, evenly; else at all',
    )
    parser.add_argument(
        '--iterations',
        type=int,
        default=1000,
        metavar='N',
        help='batches that the probes learn from (%(default)s)',
    )
    parser.add_argument(
        '--name', help='of the network (the name of the checkpoint)'
    )
    parser.add_argument('--seed', type=int, default=0, help='(%(default)s)')
    add_shared(parser, '--cfg-options', '--json', '--chart')


@empty_data_explained()
def run(args: argparse.Namespace) -> None:
    """Train the probes and evaluate them; print a table.

    Args:
        args (argparse.Namespace): The command line.

    Raises:
        ValueError: If ``--iterations`` is below 1, or the file of ``--json``
            holds something else.
    """
    if args.iterations < 1:
        raise ValueError(
            f'`--iterations` should be at least 1, but got {args.iterations}. '
            'Leave it out for 1000.'
        )
    networks = _read_networks(args.json)
    cfg = read_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    for loader in ('train_dataloader', 'val_dataloader'):
        check_data(cfg, loader)
    weights = read_weights(args.checkpoint)
    # each parameter has a line otherwise
    MMLogger.get_current_instance().setLevel('WARNING')
    set_random_seed(args.seed)
    model = build_host_model(cfg).to(get_device())
    check_weights(model, weights, args.checkpoint)
    with weights_suffice():
        load_checkpoint(model, args.checkpoint, map_location='cpu')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        loaders: list[DataLoader] = [
            Runner.build_dataloader(cfg[key], seed=args.seed)
            for key in ('train_dataloader', 'val_dataloader')
        ]
        # an endless sampler that is begun cannot be begun once more
        batch: Any = loaders[0].collate_fn([loaders[0].dataset[0]])
        batch = model.data_preprocessor(batch, False)
        size = batch['inputs'].shape[-2:]
        probes = make_probes(cfg, model, size, args.num_boundaries)
        probes.to(get_device())
        progress = _Progress(args.iterations)
        probes.fit(loaders[0], args.iterations, progress.show)
        rows = probes.evaluate(loaders[1])
    print(_make_table(rows))
    networks[args.name or Path(args.checkpoint).stem] = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        seed=args.seed,
        iterations=args.iterations,
        batch_size=cfg.train_dataloader.batch_size,
        versions=find_versions(find_host(cfg).scope),
        probes=rows,
    )
    if args.json is not None:
        path = Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(networks, indent=1) + '\n')
    if args.chart is not None:
        draw_probes(networks, Path(args.chart))


class _Progress:
    """A line now and then, with the time that is left."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.begin = self.last = time.monotonic()

    def show(self, i: int, loss: float) -> None:
        now = time.monotonic()
        if now - self.last < 10 and i < self.number:
            return
        self.last = now
        left = (now - self.begin) / i * (self.number - i)
        print(
            f'[{i}/{self.number}] loss {loss:.3f}, {left:.0f} s left',
            flush=True,
        )


def _read_networks(file: Optional[str]) -> dict[str, Any]:
    """Read the figures of networks that were probed before."""
    if file is None or not Path(file).exists():
        return {}
    try:
        networks = json.loads(Path(file).read_text())
        is_ours = all('probes' in record for record in networks.values())
    except (ValueError, AttributeError, TypeError):
        is_ours = False
    if not is_ours:
        raise ValueError(
            '`--json` should be a file of this command, or a new one, but got '
            f'{file!r}, which holds something else. Give another name.'
        )
    return networks


def _make_table(rows: list[dict[str, Any]]) -> str:
    header = ['boundary', 'stride', 'image (%)', 'label loss', 'accuracy (%)']
    return format_table(
        header,
        [
            [
                row['boundary'],
                str(row['stride']),
                f'{100 * row["image"]:.1f}',
                _format(row['label_loss'], 3),
                _format(row['accuracy'], 1),
            ]
            for row in rows
        ],
    )


def _format(value: Any, digits: int) -> str:
    return '' if value is None else f'{value:.{digits}f}'
