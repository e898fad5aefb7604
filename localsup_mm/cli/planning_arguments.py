"""The arguments of commands that plan: a goal, and one training step."""

import argparse
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config

from ..metering import parse_bytes
from ..simulation import Workload, read_workload
from .arguments import add_shared, read_size

__all__ = [
    'add_planning_arguments',
    'check_memory_budget',
    'choose_recompute',
    'read_workload_arguments',
    'showing_progress',
]

_GOAL = ('--num-local-modules', '--memory-budget', '--lowest')
_SEARCH = ('--recompute', '--macs-per-byte', '--boundary-time')
_WORKLOAD = ('--batch', '--size', '--amp', '--with-cp', '--step-each-module')


def add_planning_arguments(
    parser: argparse.ArgumentParser,
) -> argparse._ArgumentGroup:
    """Add the goals, one of which is required, the search, and the step.

    Args:
        parser (argparse.ArgumentParser): Changed in place.

    Returns:
        argparse._ArgumentGroup: The goals, of which a command line has one.
    """
    goal = parser.add_mutually_exclusive_group(required=True)
    add_shared(goal, *_GOAL)
    add_shared(parser, *_SEARCH)
    add_shared(parser, *_WORKLOAD)
    return goal


@contextmanager
def showing_progress() -> Iterator[None]:
    """Show what the planner counts, on stderr, but no warnings of hosts.

    They are about settings that planning does not use.

    Yields:
        None: While it plans.
    """
    logger = logging.getLogger('localsup_mm.planning')
    level, handler = logger.level, logging.StreamHandler()
    handler.setFormatter(logging.Formatter('... %(message)s'))
    logger.addHandler(handler)
    logger.setLevel('INFO')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def check_memory_budget(args: argparse.Namespace) -> None:
    """Check the memory budget before anything expensive is done.

    Args:
        args (argparse.Namespace): A command line with the goals.

    Raises:
        ValueError: If it is no size of memory.
    """
    if args.memory_budget is not None:
        parse_bytes(args.memory_budget, '--memory-budget')


def choose_recompute(args: argparse.Namespace) -> str:
    """Choose what plans may compute again where the command line does not say.

    Args:
        args (argparse.Namespace): A command line with the goals.

    Returns:
        str: Anything, but nothing where a number of local modules is given:
        that asks for cuts alone.
    """
    is_count = args.num_local_modules is not None
    return args.recompute or ('none' if is_count else 'any')


def read_workload_arguments(cfg: Config, args: argparse.Namespace) -> Workload:
    """Read one end-to-end training step from a config and a command line.

    Args:
        cfg (Config): Config of the training.
        args (argparse.Namespace): A command line with a training step;
            the config says what it leaves out.

    Returns:
        Workload: The training step of the plain model.

    Raises:
        ValueError: If :func:`read_workload` refuses them.
    """
    return read_workload(
        cfg,
        args.batch,
        read_size(args),
        args.amp,
        args.with_cp,
        args.step_each_module,
    )
