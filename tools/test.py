"""Evaluate a checkpoint, of a locally supervised model or a plain one."""

import argparse
import os

# Before torch 2.6 torch.load runs what a checkpoint tells it to, unless:
os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from run_arguments import merge_run_arguments, parse_run_arguments

import localsup_mm  # noqa: F401 - registers everything
from localsup_mm.engine import check_data, check_weights, read_checkpoint
from localsup_mm.hosts import find_host
from localsup_mm.planning import resolve_auto


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='test config file path')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        help='the dir (segmentation) or .pkl file (detection, '
        'classification) to save predictions in',
    )
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window'
    )
    parser.add_argument(
        '--show-dir', help='the dir to save painted predictions in'
    )
    parser.add_argument(
        '--wait-time', type=float, default=2, help='seconds per window'
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation: several scales and flip',
    )
    return parse_run_arguments(parser)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Write the command line into the config.

    Args:
        cfg (Config): Changed in place.
        args (argparse.Namespace): The command line.

    Raises:
        ValueError: If an argument does not fit the config.
    """
    merge_run_arguments(cfg, args)
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        hook = cfg.default_hooks.setdefault('visualization', ConfigDict())
        hook.update(
            draw=True, interval=1, show=args.show, wait_time=args.wait_time
        )
        if args.show_dir:
            cfg.visualizer.save_dir = args.show_dir
    if args.out is not None:
        find_host(cfg).save_predictions(cfg, args.out)


def use_tta(cfg: Config) -> None:
    """Wrap the model and swap the pipeline, as the hosts do."""
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise ValueError(
            '`--tta` should go with a config that has tta_model and '
            f'tta_pipeline, but got {cfg.filename!r}. Inherit them from the '
            'host, as mmseg/_base_/datasets does.'
        )
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.tta_model.module = cfg.model
    cfg.model = cfg.tta_model


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    merge_args(cfg, args)
    check_data(cfg, 'test_dataloader')
    resolve_auto(cfg)
    if args.tta:
        use_tta(cfg)
    build = RUNNERS.build if 'runner_type' in cfg else Runner.from_cfg
    if '://' in args.checkpoint:
        build(cfg).test()
        return
    checkpoint = read_checkpoint(args.checkpoint)
    runner = build(cfg)
    # DDP and test-time augmentation wrap the model
    model = getattr(runner.model, 'module', runner.model)
    check_weights(model, checkpoint, args.checkpoint)
    del checkpoint
    runner.test()


if __name__ == '__main__':
    main()
