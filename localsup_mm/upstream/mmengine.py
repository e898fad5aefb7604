"""Private names of mmengine, and what differs between its releases."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

import mmengine
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.model.utils import _BatchNormXd as RevertedSyncNorm
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim import _ParamScheduler as ParamScheduler
from mmengine.runner import loops
from mmengine.runner.loops import _InfiniteDataloaderIterator as HostBatches
from mmengine.utils import digit_version

__all__ = [
    'HostBatches',
    'ParamScheduler',
    'RevertedSyncNorm',
    'draw_batches_by',
    'find_accumulative_counts',
    'find_config_dict',
    'initialized_by_a_parent',
    'inner_count_kept',
    'is_lazy_config',
    'let_configs_inherit',
    'set_scale_update',
    'skips_seen_batches',
]


def is_lazy_config(path: str) -> bool:
    """Tell whether a config is of mmengine's newer kind, with imports."""
    return Config._is_lazy_import(path)


def find_config_dict(cfg: Config) -> dict:
    """Return the dict of a config, in which imports are not yet done."""
    return cfg._cfg_dict


def find_accumulative_counts(wrapper: OptimWrapper) -> int:
    """Return over how many iterations a wrapper accumulates gradients."""
    return wrapper._accumulative_counts


@contextmanager
def inner_count_kept(wrapper: OptimWrapper) -> Iterator[None]:
    """Let backwards of a wrapper not count as iterations for a while.

    Args:
        wrapper (OptimWrapper): The wrapper, whose ``backward`` counts.

    Yields:
        None: While they do not count.
    """
    count = wrapper._inner_count
    try:
        yield
    finally:
        wrapper._inner_count = count


def set_scale_update(wrapper: AmpOptimWrapper, scale: Optional[float]) -> None:
    """Set the loss scale that a wrapper returns to after each update.

    Args:
        wrapper (AmpOptimWrapper): The wrapper.
        scale (float, optional): The scale; None leaves it to the scaler.
    """
    wrapper._scale_update_param = scale


@contextmanager
def initialized_by_a_parent(module: BaseModule) -> Iterator[None]:
    """Let ``init_weights`` take a module for the child of one that calls it.

    mmengine's ``init_weights`` logs every parameter where it is called at
    the top.

    Args:
        module (BaseModule): The module.

    Yields:
        None: While it does so.
    """
    info: dict = defaultdict(dict)
    for parameter in module.parameters():
        info[parameter] = dict(
            init_info='', tmp_mean_value=parameter.data.mean().cpu()
        )
    for child in module.modules():
        child._params_init_info = info
    try:
        yield
    finally:
        for child in module.modules():
            del child._params_init_info


def skips_seen_batches() -> bool:
    """Tell whether mmengine's loop over iterations resumes with unseen data.

    Since 0.10.3 it first draws and drops as many batches as the run has seen.
    Before, a resumed run began with the first batch again.
    """
    return digit_version(mmengine.__version__) >= digit_version('0.10.3')


def draw_batches_by(iterator: type) -> None:
    """Let mmengine's loop over iterations draw by another iterator.

    Args:
        iterator (type): A class that takes the place of ``HostBatches``.
    """
    loops._InfiniteDataloaderIterator = iterator


def let_configs_inherit(prefix: str, find: Callable[[str], str]) -> None:
    """Let ``_base_`` of a config name one that mmengine cannot find.

    mmengine looks up a name with ``::`` in a list of OpenMMLab's own packages
    and builds its types in a scope of that name. A second call with the same
    prefix changes nothing.

    Args:
        prefix (str): Beginning of such names, e.g. ``'localsup_mm::'``.
        find (Callable): Function that returns the path of a name; types of
            that config are built in its own ``default_scope``.
    """
    find_path = Config._get_cfg_path
    if prefix in getattr(find_path, 'prefixes', ()):
        return

    def find_any_path(
        cfg_path: str, filename: str
    ) -> tuple[str, Optional[str]]:
        if cfg_path.startswith(prefix):
            return find(cfg_path), None
        return find_path(cfg_path, filename)

    known = getattr(find_path, 'prefixes', ())
    find_any_path.prefixes = (*known, prefix)  # type: ignore[attr-defined]
    Config._get_cfg_path = staticmethod(find_any_path)
