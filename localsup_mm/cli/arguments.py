"""The vocabulary of the commands: one name for one thing, in all of them."""

import argparse
import os
import os.path as osp
from typing import Any, Optional, Union

from mmengine.config import Config, DictAction

from ..hosts import parse_image_size
from ..metering import parse_bytes
from ..simulation import Workload, read_workload

__all__ = [
    'ARGUMENTS',
    'GOAL',
    'RUN',
    'WORKLOAD',
    'add_shared',
    'check_memory_budget',
    'merge_run_arguments',
    'read_size',
    'read_workload_arguments',
]

# what argparse takes of each; None says that it is as the config has it
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
        metavar='SIZE', help='the fewest MACs in this memory, e.g. 8GiB'
    ),
    '--lowest': dict(action='store_true', help='the lowest memory, any K'),
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
        default=[0],
        metavar='SEED',
        help='train once with each of these (0)',
    ),
    '--rounds': dict(
        type=int,
        default=5,
        metavar='N',
        help='times each is measured, in turn (%(default)s)',
    ),
    '--threads': dict(
        type=int, metavar='N', help='threads of the CPU; else as torch has it'
    ),
    # what is written
    '--out': dict(metavar='FILE', help='file to write'),
    '--json': dict(metavar='FILE', help='write the figures to this file'),
    '--chart': dict(metavar='FILE', help='draw the figures, e.g. as a .png'),
}
ALIASES = {
    '--local_rank': '--local-rank',
    '--memory-budget': '--budget',
    '--num-local-modules': '-k',
    '--out': '-o',
}
# groups that several commands take
WORKLOAD = ('--batch', '--size', '--amp', '--with-cp', '--step-each-module')
GOAL = ('--num-local-modules', '--memory-budget', '--lowest')
RUN = ('--work-dir', '--cfg-options', '--launcher', '--local_rank')

Parser = Union[argparse.ArgumentParser, argparse._ArgumentGroup]


def add_shared(parser: Parser, *names: str, **changes: object) -> None:
    """Add arguments of ``ARGUMENTS`` to the parser of a command.

    Args:
        parser (argparse.ArgumentParser): Changed in place; a group of one
            will do.
        *names (str): Keys of ``ARGUMENTS``.
        **changes (object): What this command has otherwise, e.g. ``help``.
    """
    for name in names:
        words = [name]
        if name in ALIASES:
            # a short one first, as the help shows them
            is_short = not ALIASES[name].startswith('--')
            words.insert(0 if is_short else 1, ALIASES[name])
        parser.add_argument(*words, **{**ARGUMENTS[name], **changes})


def check_memory_budget(args: argparse.Namespace) -> None:
    """Check the memory budget before anything expensive is done.

    Args:
        args (argparse.Namespace): A command line with ``GOAL``.

    Raises:
        ValueError: If it is no size of memory.
    """
    if args.memory_budget is not None:
        parse_bytes(args.memory_budget, '--memory-budget')


def read_size(args: argparse.Namespace) -> Optional[tuple[int, int]]:
    """Read H and W of ``--size``, in pixels.

    Args:
        args (argparse.Namespace): A command line with ``WORKLOAD``.

    Returns:
        tuple[int, int] | None: None without ``--size``.

    Raises:
        ValueError: If it is no size.
    """
    return None if args.size is None else parse_image_size(args.size, '--size')


def read_workload_arguments(cfg: Config, args: argparse.Namespace) -> Workload:
    """Read one end-to-end training step from a config and a command line.

    Args:
        cfg (Config): Config of the training.
        args (argparse.Namespace): A command line with ``WORKLOAD``; what it
            leaves out is as the config says.

    Returns:
        Workload: The training step of the plain model.

    Raises:
        ValueError: As :func:`read_workload`.
    """
    return read_workload(
        cfg,
        args.batch,
        read_size(args),
        args.amp,
        args.with_cp,
        args.step_each_module,
    )


def merge_run_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write launcher, overrides and work dir into the config.

    ``LOCAL_RANK`` is set in the environment, where mmengine reads it.

    Args:
        cfg (Config): Changed in place.
        args (argparse.Namespace): A command line with ``RUN``.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
