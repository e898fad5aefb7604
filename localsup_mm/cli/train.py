"""Train a model, by local modules or end to end.

Data, checkpoint and config are checked first, and boundaries='auto' is
resolved.

example:
  localsup train localsup_mm::infopro/deeplabv3_r18_k4_mini-cityscapes.py \\
      --work-dir work_dirs/mini --cfg-options train_cfg.max_iters=100
"""

import argparse

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPERS

from ..engine import (
    AMP_FORMS,
    build_runner,
    check_data,
    check_pretrained,
    check_resumed,
    check_work_dir,
    empty_data_explained,
    hanging_processes_named,
    use_safe_hooks,
    weights_suffice,
)
from ..hosts import name_type
from ..planning import resolve_auto
from .arguments import add_shared
from .run_arguments import add_run_arguments, read_run_config

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'config', '--resume', '--amp')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size, linearly',
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
    if args.amp:
        wrapper = name_type(cfg.optim_wrapper, OPTIM_WRAPPERS, 'OptimWrapper')
        if wrapper not in (*AMP_FORMS, *AMP_FORMS.values()):
            raise ValueError(
                f'`--amp` should go with one of {list(AMP_FORMS)}, but got '
                f'{wrapper!r}. Set the optim_wrapper in the config.'
            )
        cfg.optim_wrapper.type = AMP_FORMS.get(wrapper, wrapper)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ValueError(
                '`--auto-scale-lr` should go with auto_scale_lr='
                'dict(base_batch_size=...) in the config, but got '
                f'{cfg.get("auto_scale_lr")!r}. Add it.'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume


@empty_data_explained()
def run(args: argparse.Namespace) -> None:
    """Check, build and train.

    Args:
        args (argparse.Namespace): The command line.
    """
    cfg = read_run_config(args)
    merge_arguments(cfg, args)
    is_replaced = use_safe_hooks(cfg)
    check_work_dir(cfg.work_dir)
    check_data(cfg, 'train_dataloader')
    check_data(cfg, 'val_dataloader')
    check_pretrained(cfg)
    check_resumed(cfg)
    resolve_auto(cfg)
    with weights_suffice():
        runner = build_runner(cfg)
        if is_replaced:
            runner.logger.info(
                'SafeCheckpointHook takes the place of CheckpointHook: '
                'checkpoints are written whole, hold plain data and resume '
                'exactly.'
            )
        with hanging_processes_named():
            runner.train()
