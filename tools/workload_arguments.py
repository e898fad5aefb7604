"""What the tools that plan take from a command line."""

import argparse

from mmengine.config import Config

from localsup_mm.hosts import parse_image_size
from localsup_mm.metering import parse_bytes
from localsup_mm.simulation import Workload, read_workload


def add_workload_arguments(
    parser: argparse.ArgumentParser,
) -> argparse._MutuallyExclusiveGroup:
    """Add the config, what to plan for, and how it trains.

    Args:
        parser (argparse.ArgumentParser): Changed in place.

    Returns:
        argparse._MutuallyExclusiveGroup: What to plan for.
    """
    parser.add_argument(
        'config',
        help='config of a training: a path, or mmseg::..., mmdet::..., '
        'mmpretrain::...',
    )
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        '--num-local-modules',
        type=int,
        metavar='K',
        help='the lowest memory with so many local modules',
    )
    goal.add_argument(
        '--budget', help='the fewest MACs within this memory, e.g. 8GiB'
    )
    goal.add_argument(
        '--lowest', action='store_true', help='the lowest memory'
    )
    parser.add_argument(
        '--batch',
        type=int,
        metavar='N',
        help='images on one device; default: as the config says',
    )
    parser.add_argument(
        '--size',
        metavar='HxW',
        help='of the images, to plan for; default: as the config says; it is '
        'not written to a config',
    )
    parser.add_argument(
        '--amp', action='store_true', default=None, help='mixed precision'
    )
    parser.add_argument(
        '--with-cp',
        action='store_true',
        default=None,
        help='with activation checkpoints inside of local modules',
    )
    parser.add_argument(
        '--step-each-module',
        action='store_true',
        default=None,
        help='step each local module after its backward, which leaves '
        'gradients of one at a time',
    )
    return goal


def read_arguments(cfg: Config, args: argparse.Namespace) -> Workload:
    """What is trained, end to end.

    Args:
        cfg (Config): Of the training.
        args (argparse.Namespace): The command line.

    Returns:
        Workload: As it says, else as the config does.

    Raises:
        ValueError: As :func:`read_workload`.
    """
    if args.budget is not None:
        parse_bytes(args.budget, '--budget')
    return read_workload(
        cfg,
        args.batch,
        args.size and parse_image_size(args.size),
        args.amp,
        args.with_cp,
        args.step_each_module,
    )
