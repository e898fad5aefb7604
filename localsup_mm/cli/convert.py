"""Convert weights that authors released into a checkpoint.

Of InfoPro these are the files of ResNet-101, ResNet-152 and ResNeXt-101
(ImageNet) and of DeepLabV3-R101 (Cityscapes). The weights tell which it is;
the config is printed, with all weights that were not used or not found. Aux
nets come along where they are in the file. No code that it may hold is run.

example:
  localsup convert infopro resnet101.pth.tar resnet101_infopro.pth
"""

import argparse

from ..conversion import RELEASES, convert_file
from .arguments import add_shared

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    parser.add_argument(
        'method', choices=RELEASES, metavar='METHOD', help='infopro'
    )
    parser.add_argument('src', metavar='SRC', help="the authors' file")
    parser.add_argument('dst', metavar='DST', help='file to write')
    add_shared(parser, '--force')


def run(args: argparse.Namespace) -> None:
    """Convert the file and print what was left out.

    Args:
        args (argparse.Namespace): The command line.
    """
    converted = convert_file(args.method, args.src, args.dst, args.force)
    print(f'{len(converted.state_dict)} weights written to {args.dst}')
    for word, keys in (
        ('not used', converted.unused),
        ('not found', converted.not_found),
    ):
        print(f'{word}: {len(keys)}', *keys, sep='\n  ')
    print(f'localsup test {converted.config} {args.dst}')
