"""The vocabulary of the commands: one name for one thing, in all of them."""

import argparse
from typing import Any, Optional, Union

from mmengine.config import DictAction

from ..hosts import parse_image_size

__all__ = ['ARGUMENTS', 'add_shared', 'read_size']

# settings of argparse; None as a value leaves it to the config
ARGUMENTS: dict[str, dict[str, Any]] = {
    'config': dict(
        metavar='CONFIG',
        help='a path, or localsup_mm::..., mmseg::..., mmdet::...',
    ),
    'configs': dict(
        metavar='CONFIG',
        nargs='+',
        help='paths, or localsup_mm::..., mmseg::..., mmdet::...',
    ),
    'checkpoint': dict(metavar='CHECKPOINT', help='a file of a training'),
    # one training step
    '--batch': dict(type=int, metavar='N', help='images on one device'),
    '--size': dict(metavar='HxW', help='size of the images, in pixels'),
    '--amp': dict(action='store_true', default=None, help='mixed precision'),
    '--with-cp': dict(
        action='store_true',
        default=None,
        help='activation checkpointing inside of local modules',
    ),
    '--step-each-module': dict(
        action='store_true',
        default=None,
        help='step each local module right after its backward',
    ),
    # where to cut
    '--num-local-modules': dict(
        type=int, metavar='K', help='the lowest memory with K local modules'
    ),
    '--memory-budget': dict(
        metavar='SIZE', help='the least time in this memory, e.g. 8GiB'
    ),
    '--lowest': dict(action='store_true', help='the lowest memory, any K'),
    '--recompute': dict(
        choices=['none', 'cheap', 'any'],
        help='what may be computed again (any; none with -k)',
    ),
    '--macs-per-byte': dict(
        type=float,
        default=10.0,
        metavar='X',
        help='MACs in the time of a moved byte (%(default)g)',
    ),
    '--boundary-time': dict(
        type=float,
        default=0.01,
        metavar='X',
        help='what a cut has to save, of a step (%(default)g)',
    ),
    '--method': dict(help='how local modules are trained (%(default)s)'),
    # a Runner
    '--work-dir': dict(
        metavar='DIR', help='folder of logs, metrics and checkpoints'
    ),
    '--cfg-options': dict(
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings in place of those of the config: key=value, key=a,b '
        'or key="[(a,b),(c,d)]", without white space',
    ),
    '--launcher': dict(
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes, if there are several',
    ),
    '--resume': dict(
        nargs='?',
        const='auto',
        metavar='FILE',
        help='go on from a checkpoint; without a path, from the latest in '
        'the work dir',
    ),
    # torch.distributed.launch passes --local-rank
    '--local_rank': dict(type=int, default=0, help=argparse.SUPPRESS),
    # measuring
    '--seeds': dict(
        type=int,
        nargs='+',
        metavar='SEED',
        help='train once with each of these (those of the grid, or 0 1 2)',
    ),
    '--rounds': dict(
        type=int,
        metavar='N',
        help='times each is measured, in turn (10); 0 is memory only',
    ),
    '--threads': dict(
        type=int, metavar='N', help='threads of the CPU; else as torch has it'
    ),
    # what is written
    '--json': dict(metavar='FILE', help='write the figures to this file'),
    '--chart': dict(metavar='FILE', help='draw the figures, e.g. as a .png'),
    # a file made from another one
    '--force': dict(action='store_true', help='overwrite an existing file'),
}
ALIASES = {
    '--local_rank': '--local-rank',
    '--memory-budget': '--budget',
    '--num-local-modules': '-k',
    '--out': '-o',
}

Parser = Union[argparse.ArgumentParser, argparse._ArgumentGroup]


def add_shared(parser: Parser, *names: str, **changes: object) -> None:
    """Add arguments of ``ARGUMENTS`` to the parser of a command.

    Args:
        parser (argparse.ArgumentParser): Changed in place; a group of one
            will do.
        *names (str): Keys of ``ARGUMENTS``.
        **changes (object): Settings in which this command differs, e.g.
            ``help``.
    """
    for name in names:
        words = [name]
        if name in ALIASES:
            # a short one first, as the help shows them
            is_short = not ALIASES[name].startswith('--')
            words.insert(0 if is_short else 1, ALIASES[name])
        parser.add_argument(*words, **{**ARGUMENTS[name], **changes})


def read_size(args: argparse.Namespace) -> Optional[tuple[int, int]]:
    """Read H and W of ``--size``, in pixels.

    Args:
        args (argparse.Namespace): A command line with ``--size``.

    Returns:
        tuple[int, int] | None: None without ``--size``.

    Raises:
        ValueError: If it is no size.
    """
    return None if args.size is None else parse_image_size(args.size, '--size')
