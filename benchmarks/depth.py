"""Count peak memory against depth: ResNet-110 to ResNet-1202 on CIFAR-10.

An iteration of each is run on fake tensors: end to end, with the host's
activation checkpoints, by local modules of 9 blocks each, and by local modules
that the planner cuts for the lowest memory. Both have the planner's aux nets.
A network that is in the log already is not counted again. The largest take
minutes.

    python benchmarks/depth.py --json docs/logs/depth.json \
        --chart docs/images/depth.png
"""

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

from localsup_mm.analysis.charts import draw_curves
from localsup_mm.hosts import read_config
from localsup_mm.planning import find_aux_nets, make_planner
from localsup_mm.simulation import measure_step, read_workload

CONFIG = 'localsup_mm::e2e/resnet110_cifar10.py'
BLOCKS = 9
LABELS = {
    'e2e': 'end to end',
    'with_cp': 'activation checkpointing',
    'equal': f'local modules of {BLOCKS} blocks',
    'planned': 'planned local modules',
}


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--depths', type=int, nargs='+', default=[110, 218, 434, 866, 1202]
    )
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--json', type=Path, required=True)
    parser.add_argument('--chart', type=Path)
    return parser.parse_args(argv)


def find_boundaries(depth: int) -> list[str]:
    """Name the ends of local modules of as many blocks each."""
    per_stage = depth // 6
    return [
        f'layer{i // per_stage + 1}.{i % per_stage}'
        for i in range(BLOCKS - 1, 3 * per_stage - 1, BLOCKS)
    ]


def count(cfg: Config, batch: int) -> dict[str, dict]:
    """Count the peak memory and the MACs of each way to train."""
    found = {}
    for name, with_cp in (('e2e', False), ('with_cp', True)):
        cost = measure_step(read_workload(cfg, batch, with_cp=with_cp))
        found[name] = dict(
            peak_memory=cost.peak_memory, step_macs=cost.step_macs
        )
    workload = read_workload(cfg, batch)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        planner = make_planner(
            workload, find_aux_nets(cfg, workload.input_shape[-2:])
        )
        for name, plan in (
            (
                'equal',
                planner.evaluate(find_boundaries(cfg.model.backbone.depth)),
            ),
            ('planned', planner.plan()),
        ):
            found[name] = dict(
                peak_memory=plan.peak_memory,
                extra_macs=plan.extra_macs,
                num_local_modules=len(plan.boundaries) + 1,
            )
    return found


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    warnings.filterwarnings('ignore', category=UserWarning)
    MMLogger.get_current_instance().setLevel('WARNING')
    log = json.loads(args.json.read_text()) if args.json.exists() else {}
    log.setdefault('batch', args.batch)
    networks = log.setdefault('networks', {})
    if log['batch'] != args.batch:
        raise ValueError(
            f'`--batch` should be that of the log, {log["batch"]}, but got '
            f'{args.batch}. Name another file as --json.'
        )
    for depth in args.depths:
        if str(depth) not in networks:
            begin = time.monotonic()
            cfg = read_config(CONFIG)
            cfg.model.backbone.depth = depth
            networks[str(depth)] = count(cfg, args.batch)
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(log, indent=1) + '\n')
            print(f'{time.monotonic() - begin:.0f} s')
        peaks = {
            name: f'{cost["peak_memory"] / 2**20:.0f} MiB'
            for name, cost in networks[str(depth)].items()
        }
        print(f'ResNet-{depth}: {peaks}', flush=True)
    if args.chart is not None:
        curves = {
            label: [
                {
                    int(depth): costs[name]['peak_memory'] / 2**30
                    for depth, costs in networks.items()
                }
            ]
            for name, label in LABELS.items()
        }
        draw_curves(curves, 'peak memory (GiB)', args.chart, 'layers')


if __name__ == '__main__':
    main()
