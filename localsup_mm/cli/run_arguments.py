"""The arguments of commands that build a Runner."""

import argparse
import os
import os.path as osp

from mmengine.config import Config

from ..hosts import read_config
from .arguments import add_shared

__all__ = ['add_run_arguments', 'read_run_config']


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add work dir, overrides and launcher.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(
        parser, '--work-dir', '--cfg-options', '--launcher', '--local_rank'
    )


def read_run_config(args: argparse.Namespace) -> Config:
    """Read the config; write launcher, overrides and work dir into it.

    ``LOCAL_RANK`` is set in the environment, where mmengine reads it.

    Args:
        args (argparse.Namespace): A command line with a config and with
            those of :func:`add_run_arguments`.

    Returns:
        Config: The config of the run.
    """
    cfg = read_config(args.config)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    return cfg
