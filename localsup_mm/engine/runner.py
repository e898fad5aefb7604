"""Building a Runner, with the checks of this package around it."""

from datetime import timedelta

import torch
import torch.distributed as dist
from mmengine.config import Config, ConfigDict
from mmengine.registry import HOOKS, RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from ..hosts import name_type
from .checkpointing import check_resumable, find_resumable, read_weights
from .join_processes import join_processes
from .model_wrapper import LocalDistributedDataParallel
from .norms_on_cpus import sync_norms_allowed

__all__ = ['build_runner', 'check_resumed', 'use_safe_hooks']


def use_safe_hooks(cfg: Config) -> bool:
    """Let a config with the host's own hooks resume and be checked as well.

    A ``recompute`` in it gets the hook that does what it says.

    Args:
        cfg (Config): Config of a training; changed in place.

    Returns:
        bool: Whether :class:`SafeCheckpointHook` takes the place of
        mmengine's CheckpointHook.
    """
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    hooks.setdefault('setup_check', ConfigDict(type='SetupCheckHook'))
    if cfg.get('recompute'):
        hooks.setdefault('recompute', ConfigDict(type='RecomputeHook'))
    hook = hooks.setdefault('checkpoint', ConfigDict(type='CheckpointHook'))
    if hook is None or name_type(hook, HOOKS) != 'CheckpointHook':
        return False
    hook.type = 'SafeCheckpointHook'
    return True


def check_resumed(cfg: Config) -> None:
    """Fail before the model is built if what is resumed cannot be read.

    Args:
        cfg (Config): Config of a training, with ``work_dir``; it resumes
            from ``load_from``, else from the newest whole checkpoint there,
            which becomes its ``load_from`` if the host would take another.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: If it is damaged or unsafe, or holds weights only.
    """
    path = cfg.get('load_from')
    if cfg.get('resume') and path is None:
        path = find_resumable(cfg.work_dir)
        if path != find_latest_checkpoint(cfg.work_dir):
            cfg.load_from = path
            cfg.resume = path is not None
    elif path is None or '://' in path:
        return
    elif cfg.get('resume'):
        check_resumable(path)
    else:
        read_weights(path)


def build_runner(cfg: Config) -> Runner:
    """Build the Runner of a config.

    Processes that torchrun started on CPUs are joined first, since mmengine
    joins those of GPUs only, with the timeout of ``env_cfg.dist_cfg``, in
    seconds, or 1800; their SyncBN becomes the batch norm of each
    process. A ``find_unused_parameters`` at the top of the
    config is that of :class:`LocalDistributedDataParallel`, too.

    Args:
        cfg (Config): Config with ``work_dir`` and ``launcher``.

    Returns:
        Runner: It trains or tests.

    Raises:
        SetupError: If a process does not come, or the port is in use.
    """
    wrapper = cfg.get('model_wrapper_cfg')
    if wrapper and wrapper.get('type') in (
        'LocalDistributedDataParallel',
        LocalDistributedDataParallel,
    ):
        # the Runner looks at it only where it chooses the wrapper itself
        unused = cfg.get('find_unused_parameters', False)
        wrapper.setdefault('find_unused_parameters', unused)
    is_joined = dist.is_available() and dist.is_initialized()
    if (
        cfg.get('launcher') == 'pytorch'
        and not torch.cuda.is_available()
        and not is_joined
    ):
        dist_cfg = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
        join_processes(timedelta(seconds=dist_cfg.get('timeout') or 1800))
    build = RUNNERS.build if 'runner_type' in cfg else Runner.from_cfg
    with sync_norms_allowed():
        return build(cfg)
