"""Evaluate a checkpoint on the test set of a config.

The checkpoint may be that of a locally supervised model or of a plain one.

example:
  localsup test my.py work_dirs/my/iter_40000.pth \\
      --save-predictions predictions/
"""

import argparse

from mmengine.config import Config, ConfigDict

from ..engine import (
    build_runner,
    check_data,
    check_weights,
    empty_data_explained,
    read_weights,
    unwrap_model,
    weights_suffice,
)
from ..hosts import find_host
from ..planning import resolve_auto
from .arguments import add_shared
from .run_arguments import add_run_arguments, read_run_config

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'config', 'checkpoint')
    parser.add_argument(
        '--save-predictions',
        '--out',
        metavar='PATH',
        help='a folder (segmentation) or a .pkl file (detection, '
        'classification) of predictions; --out is the name of the hosts',
    )
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window'
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='where to save painted predictions'
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        metavar='N',
        help='seconds that a window stays (%(default)s)',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: several scales and flip',
    )
    add_run_arguments(parser)


def merge_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the command line into the config.

    Args:
        cfg (Config): Changed in place.
        args (argparse.Namespace): The command line.

    Raises:
        ValueError: If an argument does not fit the config.
    """
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        hook = cfg.default_hooks.setdefault('visualization', ConfigDict())
        hook.update(
            draw=True, interval=1, show=args.show, wait_time=args.wait_time
        )
        if args.show_dir:
            cfg.visualizer.save_dir = args.show_dir
    if args.save_predictions is not None:
        find_host(cfg).save_predictions(cfg, args.save_predictions)


def use_tta(cfg: Config) -> None:
    """Wrap the model and swap the pipeline, as the hosts do.

    Args:
        cfg (Config): Changed in place.

    Raises:
        ValueError: If it has no settings of test-time augmentation.
    """
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise ValueError(
            '`--tta` should go with a config that has tta_model and '
            f'tta_pipeline, but got {cfg.filename!r}. Inherit them from the '
            'host, as mmseg/_base_/datasets does.'
        )
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


@empty_data_explained()
def run(args: argparse.Namespace) -> None:
    """Check, build and evaluate.

    Args:
        args (argparse.Namespace): The command line.
    """
    cfg = read_run_config(args)
    merge_arguments(cfg, args)
    check_data(cfg, 'test_dataloader')
    resolve_auto(cfg)
    if args.tta:
        use_tta(cfg)
    is_local = '://' not in args.checkpoint
    weights = read_weights(args.checkpoint) if is_local else {}
    with weights_suffice():
        runner = build_runner(cfg)
        model = unwrap_model(runner.model)
        if args.tta:
            model = model.module
        if is_local:
            check_weights(model, weights, args.checkpoint)
        del weights
        runner.test()
