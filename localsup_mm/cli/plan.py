"""Find where to cut a network, and what to recompute.

No GPU, no data and no weights are needed: the training iteration is traced on
fake tensors. --boundaries tells what a choice of one's own costs. Aux nets are
those of the config, or cheap ones for the host's task where it has none.

example:
  localsup plan localsup_mm::e2e/deeplabv3_r101_cityscapes.py \\
      --memory-budget 3GiB
"""

import argparse
import time

from mmengine.registry import DefaultScope

from ..hosts import read_training
from ..planning import find_aux_nets, make_planner, plan_balanced
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
    goal = add_planning_arguments(parser)
    goal.add_argument(
        '--boundaries', nargs='+', metavar='NAME', help='the cost of these'
    )
    parser.add_argument(
        '--balance',
        choices=['memory', 'time'],
        default='memory',
        help='what local modules share (%(default)s; time with -k)',
    )


def run(args: argparse.Namespace) -> None:
    """Plan, and print the plan.

    Args:
        args (argparse.Namespace): The command line.
    """
    check_memory_budget(args)
    if args.balance == 'time' and args.num_local_modules is None:
        raise ValueError(
            '`--balance time` should go with --num-local-modules, the number '
            'of processes, but got none. Add -k K.'
        )
    recompute = _find_recompute(args)
    with showing_progress():
        _plan(args, recompute)


def _find_recompute(args: argparse.Namespace) -> str:
    if args.boundaries is None and args.balance == 'memory':
        return choose_recompute(args)
    if args.recompute not in (None, 'none'):
        raise ValueError(
            '`--recompute` should go with a search for memory, but got '
            f'{args.recompute!r} with --boundaries or --balance time. Leave '
            'one of them out.'
        )
    return 'none'


def _plan(args: argparse.Namespace, recompute: str) -> None:
    cfg = read_training(args.config)
    start = time.perf_counter()
    workload = read_workload_arguments(cfg, args)
    print(f'input {tuple(workload.input_shape)}', flush=True)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        planner = make_planner(
            workload,
            find_aux_nets(cfg, workload.input_shape[-2:]),
            cfg.model.backbone.get('context_supply'),
            cfg.model.backbone.get('input_size'),
            recompute,
            args.macs_per_byte,
            args.boundary_time,
        )
        if args.boundaries is not None:
            plan = planner.evaluate(args.boundaries)
        elif args.balance == 'time':
            plan = plan_balanced(planner, args.num_local_modules)
        else:
            plan = planner.plan(args.num_local_modules, args.memory_budget)
    print(f'planned in {time.perf_counter() - start:.0f} s')
    print(f'boundaries={list(plan.boundaries)}')
    if plan.recompute:
        print(f'recompute={plan.recompute}')
    print(plan.describe())
