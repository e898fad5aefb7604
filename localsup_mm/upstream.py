"""Private names of torch and mmengine, and what differs between releases.

They stand here and nowhere else, so that a release of torch or mmengine that
renames one breaks this file alone. Checked with torch 2.4.0 and 2.12.1 and
with mmengine 0.8.3 and 0.10.7. Overrides of private methods cannot be moved
here; there are ``CheckpointHook._save_checkpoint_with_step``
(``SafeCheckpointHook``), ``Module._load_from_state_dict``
(``ContextSupply``), ``_ParamScheduler._get_value`` (``WarmupCosineLR``) and
``_BatchNorm._check_input_dim`` (``_NormOfProcess``).
"""

import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Optional

import mmengine
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim import _ParamScheduler as ParamScheduler
from mmengine.runner import loops
from mmengine.runner.loops import _InfiniteDataloaderIterator as HostBatches
from mmengine.utils import digit_version
from torch import Tensor, nn
from torch._compile import _disable_dynamo as not_compiled
from torch._subclasses.fake_tensor import (
    FakeCopyMode,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import (
    TorchDispatchMode,
)
from torch.utils._python_dispatch import (
    _disable_current_modes as dispatch_modes_disabled,
)
from torch.utils._pytree import (
    tree_flatten,
    tree_leaves,
    tree_map_only,
    tree_unflatten,
)

__all__ = [
    'ATTENTION_ON_CPU',
    'READ_VALUE',
    'UNSAFE_VIEW',
    'BatchNorm',
    'FakeCopyMode',
    'FakeTensor',
    'FakeTensorMode',
    'HostBatches',
    'ParamScheduler',
    'TorchDispatchMode',
    'copy_layer_versions',
    'detach_alias',
    'dispatch_modes_disabled',
    'draw_batches_by',
    'end_process',
    'find_accumulative_counts',
    'find_config_dict',
    'find_storage_key',
    'find_version',
    'initialized_by_a_parent',
    'inner_count_kept',
    'is_in_backward',
    'is_in_place',
    'is_lazy_config',
    'leave_out_of_ddp',
    'let_configs_inherit',
    'make_without_data',
    'not_compiled',
    'set_scale_update',
    'skips_seen_batches',
    'tree_flatten',
    'tree_leaves',
    'tree_map_only',
    'tree_unflatten',
    'unset_fake_temporarily',
]


_aten = torch.ops.aten
# what a program reads a value by
READ_VALUE = _aten._local_scalar_dense
# a view that claims to be a new tensor
UNSAFE_VIEW = _aten._unsafe_view
# attention on a CPU, by the op of a GPU that computes the same
ATTENTION_ON_CPU = {
    _aten._scaled_dot_product_flash_attention_for_cpu: (
        _aten._scaled_dot_product_flash_attention
    ),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        _aten._scaled_dot_product_flash_attention_backward
    ),
}


def copy_layer_versions(
    source: Any, target: OrderedDict, is_kept: Callable[[str], bool]
) -> None:
    """Give a state dict the versions of layers that another one has.

    By these a host converts old keys when it loads.

    Args:
        source (Any): State dict; where it has no versions nothing happens.
        target (OrderedDict): State dict, changed in place.
        is_kept (Callable): Function that takes the name of a layer and tells
            whether its version is copied.
    """
    versions = getattr(source, '_metadata', None)
    if versions is not None:
        target._metadata = OrderedDict(  # type: ignore[attr-defined]
            (name, version)
            for name, version in versions.items()
            if is_kept(name)
        )


def detach_alias(tensor: Tensor) -> Tensor:
    """Detach a tensor within a dispatch mode, where autograd is done already.

    Args:
        tensor (Tensor): Any tensor.

    Returns:
        Tensor: Another one on the same storage. What is changed in place in
        one of them counts in the version of both.
    """
    view_key = torch._C.DispatchKey.ADInplaceOrView
    with torch._C._SetExcludeDispatchKeyGuard(view_key, False):
        return tensor.detach()


def make_without_data(cls: type, like: Tensor, num_images: int) -> Tensor:
    """Make a tensor of a subclass that has a shape and no storage.

    Args:
        cls (type): The subclass.
        like (Tensor): A tensor of its dtype, device and shape but for the
            first dimension.
        num_images (int): The size of that.

    Returns:
        Tensor: It has no gradient.
    """
    return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
        cls,
        (num_images, *like.shape[1:]),
        dtype=like.dtype,
        device=like.device,
    )


def is_in_backward() -> bool:
    """Tell whether autograd is running a backward in this thread."""
    return torch._C._current_graph_task_id() != -1


@cache
def is_in_place(op: Any) -> bool:
    """Tell whether an op changes its first argument.

    Args:
        op (Any): The ``func`` that a dispatch mode gets.

    Returns:
        bool: Whether it does.
    """
    arguments = op._schema.arguments
    first = arguments[0].alias_info if arguments else None
    return first is not None and first.is_write


def is_lazy_config(path: str) -> bool:
    """Tell whether a config is of mmengine's newer kind, with imports."""
    return Config._is_lazy_import(path)


def find_storage_key(tensor: Tensor) -> int:
    """Return a number that all tensors on the same storage share."""
    return tensor.untyped_storage()._cdata


def find_version(tensor: Tensor) -> Optional[int]:
    """Return how often a tensor was changed in place, if torch counts it.

    Args:
        tensor (Tensor): Any tensor.

    Returns:
        int: The count; None for an inference tensor, which has none.
    """
    return None if tensor.is_inference() else tensor._version


def end_process() -> None:
    """End this process at once and well, from any of its threads."""
    os._exit(0)


def leave_out_of_ddp(model: nn.Module, names: Collection[str]) -> None:
    """Let torch's DDP neither broadcast nor average some parameters.

    Args:
        model (nn.Module): The model that DDP will wrap.
        names (Collection[str]): Names of the parameters.
    """
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
        model, list(names)
    )


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
