"""Write a config that trains a host's network locally.

The written config inherits from the given one; `localsup train` trains it.
Cuts, recomputation and cheap aux nets in it are for you to edit; --size is not
written. Beside it goes a copy of a base with read_base().

example:
  localsup localize mmdet::retinanet/retinanet_r50_fpn_1x_coco.py \\
      --method infopro --memory-budget 4GiB -o my.py
"""

import argparse
import shlex

from ..hosts import METHODS, read_training
from ..planning import (
    check_end_to_end,
    check_out,
    localize,
    write_config,
)
from .arguments import add_shared
from .planning_arguments import (
    add_planning_arguments,
    check_memory_budget,
    choose_recompute,
    read_workload_arguments,
    showing_progress,
)

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'config')
    parser.add_argument(
        '-o',
        '--out',
        required=True,
        metavar='FILE',
        help='config to write',
    )
    add_shared(parser, '--method', choices=METHODS, default=METHODS[0])
    add_planning_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Plan, and write the config.

    Args:
        args (argparse.Namespace): The command line.
    """
    check_out(args.out, args.config)
    check_memory_budget(args)
    with showing_progress():
        _localize(args)


def _localize(args: argparse.Namespace) -> None:
    cfg = read_training(args.config)
    check_end_to_end(cfg, args.config)
    workload = read_workload_arguments(cfg, args)
    print(f'planning for {tuple(workload.input_shape)}', flush=True)
    changes, plan = localize(
        cfg,
        workload,
        args.method,
        args.num_local_modules,
        args.memory_budget,
        with_cp=bool(args.with_cp),
        batch_size=args.batch,
        recompute=choose_recompute(args),
        macs_per_byte=args.macs_per_byte,
        boundary_time=args.boundary_time,
    )
    shape = ' x '.join(map(str, workload.input_shape))
    header = [
        f'Written by: {shlex.join(["localsup", *args.words])}',
        f'Train with: {shlex.join(["localsup", "train", args.out])}',
        f'{args.method}, planned for {shape}',
        *plan.describe().splitlines(),
    ]
    if args.size:
        header.append('The size of images is not set here, but by the base.')
    write_config(args.out, header, args.config, changes)
    print(f'{plan.describe()}\nwrote {args.out}')
