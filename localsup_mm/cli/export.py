"""Export the network of a checkpoint, for publishing.

The file loads into the plain host model without this package, unless it has
ContSup's context encoders, which are part of the network. Aux nets, optimizer,
schedulers, log and random states are left out. No code that the checkpoint may
hold is run.

example:
  localsup export work_dirs/my/iter_40000.pth deeplabv3_r101.pth
"""

import argparse
import os.path as osp

from ..engine import export_checkpoint
from .arguments import add_shared

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'checkpoint')
    parser.add_argument('out', metavar='OUT', help='file to write')
    parser.add_argument(
        '--sha',
        action='store_true',
        help='append the first 8 hex digits of its sha256 to the file name',
    )
    add_shared(parser, '--force')


def run(args: argparse.Namespace) -> None:
    """Export the checkpoint and print both sizes.

    Args:
        args (argparse.Namespace): The command line.
    """
    out, num_dropped = export_checkpoint(
        args.checkpoint, args.out, args.sha, args.force
    )
    for path in (args.checkpoint, out):
        print(f'{osp.getsize(path) / 2**20:8.1f} MiB  {path}')
    print(f'{num_dropped} keys of aux nets dropped')
