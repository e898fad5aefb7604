"""The console script ``localsup``.

A command is a module of this package with ``add_arguments(parser)`` and
``run(args)``. Its docstring is its help: a summary, then an example.
``args.words`` are the words after ``localsup``, the command included. The
module is imported only when its command is called.
"""

import argparse
import dis
import inspect
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Optional

from ..version import __version__

__all__ = [
    'COMMANDS',
    'is_refusal',
    'main',
    'make_parser',
    'run_command',
]

COMMANDS = {
    'train': 'Train a model, by local modules or end to end.',
    'test': 'Evaluate a checkpoint on the test set of a config.',
    'plan': 'Find where to cut a network, and what to recompute.',
    'localize': "Write a config that trains a host's network locally.",
    'compare': 'Compare memory and time of ways to train a network.',
    'accuracy': 'Compare the accuracy of ways to train a network.',
    'probe': 'Estimate what features keep of the image and its labels.',
    'convert': 'Convert weights that authors released into a checkpoint.',
    'export': 'Export the network of a checkpoint, for publishing.',
}
# kinds of errors that checks of ours raise
_EXPECTED = (
    ValueError,
    TypeError,
    RuntimeError,
    FloatingPointError,
    FileNotFoundError,
    FileExistsError,
    ImportError,
)
# with this variable set they keep their traceback
_VARIABLE = 'LOCALSUP_TRACEBACK'


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run a command; a refusal ends it with a message and exit status 1.

    Args:
        argv (Sequence[str], optional): The words after ``localsup``.
            Defaults to None, which means those of this process.
    """
    try:
        run_command(sys.argv[1:] if argv is None else argv)
    except _EXPECTED as error:
        if os.environ.get(_VARIABLE) or not is_refusal(error):
            raise
        sys.exit(f'{error}\n({_VARIABLE}=1 shows where this was raised.)')


def run_command(argv: Sequence[str]) -> None:
    """Run a command; its errors are raised.

    Args:
        argv (Sequence[str]): The words after ``localsup``.
    """
    # Before torch 2.6 torch.load runs what a checkpoint tells it to, unless:
    # (with both variables set it refuses to load at all)
    if os.environ.get('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '0') in ('0', ''):
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
        argparse.ArgumentParser: A parser of the words after the command.
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


def is_refusal(error: Exception) -> bool:
    """Tell whether a ``raise`` statement of the package raised an error.

    Errors of what it calls, and slips of its own, are no refusals.
    """
    trace: Any = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    package = trace.tb_frame.f_globals.get('__package__') or ''
    if package.split('.')[0] != __package__.split('.')[0]:
        return False
    operation = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return operation == dis.opmap['RAISE_VARARGS']


if __name__ == '__main__':
    main()
