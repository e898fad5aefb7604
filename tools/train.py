"""Train a model, locally supervised or end to end."""

import argparse
import os

# Before torch 2.6 torch.load runs what a checkpoint tells it to, unless:
os.environ.setdefault('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')

import torch
import torch.distributed as dist
from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint
from run_arguments import merge_run_arguments, parse_run_arguments

import localsup_mm  # noqa: F401 - registers everything
from localsup_mm.engine import check_data, read_checkpoint
from localsup_mm.planning import resolve_auto

AMP_TYPES = {
    'OptimWrapper': 'AmpOptimWrapper',
    'LocalOptimWrapper': 'LocalAmpOptimWrapper',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='train config file path')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from a checkpoint; without a path, from the latest one '
        'in the work dir',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='enable automatic-mixed-precision training',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size, linearly',
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
    if args.amp:
        wrapper = cfg.optim_wrapper.get('type', 'OptimWrapper')
        if wrapper not in (*AMP_TYPES, *AMP_TYPES.values()):
            raise ValueError(
                f'`--amp` should go with one of {list(AMP_TYPES)}, but got '
                f'{wrapper!r}. Set the optim_wrapper in the config.'
            )
        cfg.optim_wrapper.type = AMP_TYPES.get(wrapper, wrapper)
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


def init_cpu_processes(launcher: str) -> None:
    """Let torchrun start CPU processes, which mmengine sets up for GPUs.

    Args:
        launcher (str): From the command line.
    """
    if launcher == 'pytorch' and not torch.cuda.is_available():
        dist.init_process_group('gloo')


def use_safe_hooks(cfg: Config) -> None:
    """Let a config with the host's own hooks resume and be checked as well.

    Args:
        cfg (Config): Changed in place.
    """
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    hook = hooks.setdefault('checkpoint', ConfigDict(type='CheckpointHook'))
    if hook is not None and hook.type == 'CheckpointHook':
        hook.type = 'SafeCheckpointHook'
    hooks.setdefault('setup_check', ConfigDict(type='SetupCheckHook'))


def check_checkpoint(cfg: Config) -> None:
    """Fail before the model is built if what is resumed cannot be read.

    Args:
        cfg (Config): After :func:`merge_args`.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is truncated or unsafe.
    """
    path = cfg.get('load_from')
    if cfg.get('resume') and path is None:
        path = find_latest_checkpoint(cfg.work_dir)
    if path is None or '://' in path:
        return
    checkpoint = read_checkpoint(path)
    lacking = {'meta', 'message_hub', 'optimizer'} - checkpoint.keys()
    if cfg.get('resume') and lacking:
        raise ValueError(
            '`--resume` should go with a checkpoint of a training, but got '
            f'{path!r} without {sorted(lacking)}. To start from its weights '
            f'use --cfg-options load_from={path}'
        )


def main() -> None:
    args = parse_args()
    cfg = Config.fromfile(args.config)
    merge_args(cfg, args)
    use_safe_hooks(cfg)
    check_data(cfg, 'train_dataloader')
    check_data(cfg, 'val_dataloader')
    check_checkpoint(cfg)
    resolve_auto(cfg)
    init_cpu_processes(args.launcher)
    build = RUNNERS.build if 'runner_type' in cfg else Runner.from_cfg
    build(cfg).train()


if __name__ == '__main__':
    main()
