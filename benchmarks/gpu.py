"""Measure memory and time of whole networks where there is a GPU.

Each network is trained end to end, with the host's activation checkpoints and
in our ways, in fp32 and in mixed precision: the peak of
`torch.cuda.max_memory_allocated`, the time in turns, and beside the peak what
was predicted on fake tensors. Without a GPU it counts living tensors, which
tries the script at a small size.

    python benchmarks/gpu.py --json gpu.json
    python benchmarks/gpu.py --networks resnet32 --batch 4 --size 16x16
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Optional

import torch
from mmengine.device import get_device
from mmengine.logging import MMLogger

from localsup_mm.analysis import (
    Method,
    build_model,
    derive_methods,
    measure_all,
    name_machine,
    predict_all,
    ratio_quartiles,
    read_comparable,
)
from localsup_mm.cli.arguments import add_shared, read_size
from localsup_mm.hosts import find_checkpointing_layers

HEADS = dict(by_image=['*_head.loss_by_feat'])


class Network(NamedTuple):
    """A network, its batch, and what is recomputed in our ways."""

    config: str
    batch: int
    size: tuple[int, int]
    recompute: Mapping[str, Sequence[str]] = {}


NETWORKS = {
    'resnet32': Network(
        'localsup_mm::infopro/resnet32_k4_softmax_cifar10.py',
        1024,
        (32, 32),
        dict(cheap=['backbone.layer*.*']),
    ),
    'resnet110': Network(
        'localsup_mm::infopro/resnet110_k4_balanced_cifar10.py',
        1024,
        (32, 32),
        dict(cheap=['backbone.layer*.*']),
    ),
    'deit-base': Network(
        'localsup_mm::infopro/deit-base_imagenet.py', 64, (224, 224)
    ),
    'deeplabv3_r101': Network(
        'localsup_mm::infopro/deeplabv3_r101_k7_cheap_cityscapes.py',
        2,
        (512, 1024),
        HEADS,
    ),
    'upernet_swin-t': Network(
        'localsup_mm::e2e/upernet_swin-t_ade20k.py',
        2,
        (512, 512),
        dict(
            full=['backbone.stages.*.blocks.*'],
            cheap=['decode_head'],
            early=['*_head.loss'],
            **HEADS,
        ),
    ),
    'segformer_mit-b2': Network(
        'localsup_mm::infopro/segformer_mit-b2_cityscapes.py',
        2,
        (512, 1024),
        HEADS,
    ),
    'retinanet_r50': Network(
        'localsup_mm::infopro/retinanet_r50_coco.py', 2, (800, 1333)
    ),
    'mask-rcnn_r50': Network(
        'localsup_mm::infopro/mask-rcnn_r50_coco.py', 2, (800, 1333)
    ),
}


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--networks', nargs='+', choices=NETWORKS, default=[*NETWORKS]
    )
    add_shared(parser, '--size', '--batch', '--json')
    add_shared(
        parser,
        '--rounds',
        default=7,
        help='times each is measured, in turn (%(default)s)',
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=10.0,
        help='begin no further measurement after these (%(default)s)',
    )
    args = parser.parse_args(argv)
    args.size = read_size(args)
    if args.rounds < 2:
        parser.error(
            f'`--rounds` should be at least 2, but got {args.rounds}. '
            'Quartiles need two.'
        )
    return args


def make_methods(network: Network, size: tuple[int, int]) -> dict[str, Method]:
    """Make the ways to train a network, `e2e` first."""
    cfg = read_comparable(network.config, size)
    methods = derive_methods(cfg)
    chosen = {'e2e': methods['e2e']}
    if find_checkpointing_layers(build_model(methods['e2e'])):
        chosen['with_cp'] = methods['with_cp']
    chosen |= {
        name: method
        for name, method in methods.items()
        if method.is_local and not method.with_cp and not method.is_optional
    }
    if network.recompute:
        cfg.recompute = dict(network.recompute)
        chosen['recompute'] = Method(cfg)
    return chosen


def measure(
    network: Network,
    batch: int,
    size: tuple[int, int],
    amp: bool,
    num_rounds: int,
) -> dict[str, dict]:
    """Predict and measure each way to train."""
    methods = make_methods(network, size)
    predicted = predict_all(methods, batch, size, amp)
    found = measure_all(methods, batch, size, amp, num_rounds)
    for name, cost in found.items():
        cost['predicted'] = predicted[name]['peak_memory']
        cost['time_ratio'] = ratio_quartiles(
            cost['seconds'], found['e2e']['seconds']
        )
    return found


def format_row(name: str, cost: dict, e2e: dict) -> str:
    low, middle, high = cost['time_ratio']
    peak = cost['peak_memory']
    return (
        f'| {name} | {peak / 2**30:.2f} ({peak / e2e["peak_memory"]:.0%}) | '
        f'{cost["predicted"] / peak - 1:+.1%} | {middle:.2f} ({low:.2f} to '
        f'{high:.2f}) | {statistics.median(cost["seconds"]):.3f} |'
    )


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    begin = time.monotonic()
    warnings.filterwarnings('ignore', category=UserWarning)
    MMLogger.get_current_instance().setLevel('WARNING')
    # a trial of algorithms takes memory of its own
    torch.backends.cudnn.benchmark = False
    results: dict[str, dict] = {}
    left_out = []
    for name in args.networks:
        network = NETWORKS[name]
        for amp in (False, True):
            title = f'{name}, {"AMP" if amp else "fp32"}'
            if time.monotonic() - begin > 60 * args.minutes:
                left_out.append(title)
                continue
            batch = args.batch or network.batch
            size = args.size or network.size
            print(f'{title}, {batch} x {size[0]} x {size[1]}', flush=True)
            found = measure(network, batch, size, amp, args.rounds)
            results[title] = found
            print('\n| | GiB | predicted | time / end to end | seconds |')
            print('| --- | --- | --- | --- | --- |')
            for way, cost in found.items():
                print(format_row(way, cost, found['e2e']))
            print(flush=True)
            if args.json is not None:
                content = dict(
                    machine=name_machine(get_device()), results=results
                )
                Path(args.json).write_text(json.dumps(content, indent=1))
    print(f'{time.monotonic() - begin:.0f} s')
    if left_out:
        print(f'left out after {args.minutes} min: {"; ".join(left_out)}')


if __name__ == '__main__':
    main()
