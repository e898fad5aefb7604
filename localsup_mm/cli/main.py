"""The console script ``localsup``.

A command is a module of this package with ``add_arguments(parser)`` and
``run(args)``. Its docstring is its help: a summary, then an example.
``args.words`` are the words after ``localsup``, the command included. The
module is imported only when its command is called.
"""

import argparse
import inspect
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Optional

from ..version import __version__

__all__ = ['COMMANDS', 'main', 'make_parser', 'run_command']

COMMANDS = {
    'train': 'Train a model, by local modules or end to end.',
    'test': 'Evaluate a checkpoint on the test set of a config.',
    'plan': 'Find where to cut a network into local modules.',
    'localize': "Write a config that trains a host's network locally.",
    'compare': 'Compare memory and time of ways to train a network.',
    'accuracy': 'Compare the accuracy of ways to train a network.',
    'export': 'Export the network of a checkpoint, for publishing.',
}
# what a check of ours raises; with this variable set it keeps its traceback
_EXPECTED = (ValueError, FileNotFoundError, FileExistsError, ImportError)
_VARIABLE = 'LOCALSUP_TRACEBACK'


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run a command; a refusal ends it with a message and exit status 1.

    Args:
        argv (Sequence[str], optional): The words after ``localsup``.
            Defaults to None: those of this process.
    """
    try:
        run_command(sys.argv[1:] if argv is None else argv)
    except _EXPECTED as error:
        if os.environ.get(_VARIABLE) or not _is_refusal(error):
            raise
        sys.exit(f'{error}\n({_VARIABLE}=1 shows where this was raised.)')


def run_command(argv: Sequence[str]) -> None:
    """Run a command; its errors are raised.

    Args:
        argv (Sequence[str]): The words after ``localsup``.
    """
    # Before torch 2.6 torch.load runs what a checkpoint tells it to, unless:
    os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    command = _make_main_parser().parse_args(argv[:1]).command
    args = make_parser(command).parse_args(argv[1:])
    args.words = [*argv]
    _import_command(command).run(args)


def make_parser(command: str) -> argparse.ArgumentParser:
    """Make the parser of a command.

    Args:
        command (str): One of ``COMMANDS``.

    Returns:
        argparse.ArgumentParser: What reads the words after the command.
    """
    module = _import_command(command)
    text = inspect.cleandoc(module.__doc__ or '')
    description, _, example = text.partition('\n\n')
    parser = argparse.ArgumentParser(
        prog=f'localsup {command}',
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return parser


def _make_main_parser() -> argparse.ArgumentParser:
    lines = [f'  {name:<10}{text}' for name, text in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog='localsup',
        usage='localsup COMMAND ...',
        description='Train networks by gradient-isolated local modules.',
        epilog='\n'.join(
            [
                'commands:',
                *lines,
                '',
                '`localsup COMMAND --help` shows the options of a command and '
                'an example.',
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action='version', version=__version__)
    parser.add_argument(
        'command', choices=COMMANDS, metavar='COMMAND', help='one of those'
    )
    return parser


def _import_command(name: str) -> Any:
    return import_module(f'{__package__}.{name}')


def _is_refusal(error: Exception) -> bool:
    """Tell whether the package itself raised an error, not what it calls."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    package = frames[-1].f_globals.get('__package__') or ''
    return package.split('.')[0] == __package__.split('.')[0]


if __name__ == '__main__':
    main()
