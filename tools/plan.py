"""Find where to cut a network, for a memory budget or a number of modules.

    python tools/plan.py configs/e2e/deeplabv3_r101_cityscapes.py \
        --budget 3GiB

Needs no GPU, no data and no weights: the training iteration is traced on fake
tensors. ``--boundaries`` tells what a choice of one's own costs. Aux nets are
those of the config, or cheap ones for the host's task where it has none;
tools/localize.py does the same and writes a config.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import Optional, Union

from mmengine.config import Config
from mmengine.registry import DefaultScope
from workload_arguments import add_workload_arguments, read_arguments

import localsup_mm  # noqa: F401 - registers everything
from localsup_mm.hosts import find_host, read_training
from localsup_mm.planning import CONDITIONS, make_planner

# where the local modules of a config differ, and what is not planned with
LEFT_OUT = ('boundary', 'boundaries', 'partition', *CONDITIONS)


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    goal = add_workload_arguments(parser)
    goal.add_argument('--boundaries', nargs='+', metavar='NAME', help='these')
    return parser.parse_args(argv)


def find_aux_nets(
    cfg: Config, image_size: Sequence[int]
) -> Union[dict, list[dict]]:
    """Aux nets of a config; those of the first local module go for all.

    Args:
        cfg (Config): Locally supervised or not.
        image_size (Sequence[int]): H and W, in pixels.

    Returns:
        dict | list[dict]: As :func:`make_planner` takes them.
    """
    rule = cfg.model.backbone.get('local_modules')
    if not rule:
        return find_host(cfg).make_default_aux_nets(cfg, image_size)
    if not isinstance(rule, dict):
        rule = rule[0]
    rule = {key: value for key, value in rule.items() if key not in LEFT_OUT}
    # those of a published table are for its K
    if isinstance(rule.get('loss_weights'), str):
        del rule['loss_weights']
    return rule


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    # of hosts, about settings that do not matter here
    warnings.simplefilter('ignore')
    cfg = read_training(args.config)
    start = time.perf_counter()
    workload = read_arguments(cfg, args)
    print(f'input {tuple(workload.input_shape)}', flush=True)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        planner = make_planner(
            workload,
            find_aux_nets(cfg, workload.input_shape[2:]),
            cfg.model.backbone.get('context_supply'),
            cfg.model.backbone.get('input_size'),
        )
        if args.boundaries is not None:
            plan = planner.evaluate(args.boundaries)
        else:
            plan = planner.plan(args.num_local_modules, args.budget)
    print(f'planned in {time.perf_counter() - start:.0f} s')
    print(f'boundaries={list(plan.boundaries)}')
    print(plan.describe())


if __name__ == '__main__':
    main()
