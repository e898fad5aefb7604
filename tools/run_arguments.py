"""What the tools that build a Runner take from a command line."""

import argparse
import os
import os.path as osp

from mmengine.config import Config, DictAction

__all__ = ['merge_run_arguments', 'parse_run_arguments']


def parse_run_arguments(
    parser: argparse.ArgumentParser,
) -> argparse.Namespace:
    """Add work dir, overrides and launcher, and parse it all.

    Args:
        parser (argparse.ArgumentParser): With what one tool takes besides;
            changed in place.

    Returns:
        argparse.Namespace: The command line. ``LOCAL_RANK`` is set.
    """
    parser.add_argument(
        '--work-dir', help='the dir to save logs, metrics and models in'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings of the config: key=value, key=a,b or '
        'key="[(a,b),(c,d)]", without white space',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher',
    )
    # torch.distributed.launch passes --local-rank
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def merge_run_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write launcher, overrides and work dir into the config.

    Args:
        cfg (Config): Changed in place.
        args (argparse.Namespace): The command line.
    """
    cfg.launcher = args.launcher
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
