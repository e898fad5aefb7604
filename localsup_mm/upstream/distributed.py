"""Names of torch and Python for training in several processes."""

import os
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, Optional

from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

try:
    from torch.distributed.tensor import DTensor, distribute_tensor
except ImportError:  # torch 2.4
    DTensor = distribute_tensor = None  # type: ignore

__all__ = [
    'DTensor',
    'end_process',
    'find_default_store',
    'find_fully_shard',
    'leave_out_of_ddp',
    'run_hook_first',
    'shard_like',
]


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


def find_default_store() -> Any:
    """Return the store by which the processes of a training have joined."""
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def find_fully_shard() -> Optional[SimpleNamespace]:
    """Find what torch has for sharding; None before torch 2.6."""
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import (
            fully_shard,
            register_fsdp_forward_method,
        )
    except ImportError:
        return None
    return SimpleNamespace(
        fully_shard=fully_shard,
        register_fsdp_forward_method=register_fsdp_forward_method,
        make_mesh=lambda device, size: init_device_mesh(device, (size,)),
    )


def run_hook_first(module: nn.Module) -> None:
    """Let the newest forward hook of a module run before the others.

    Args:
        module (nn.Module): A module with hooks.
    """
    hooks = module._forward_hooks
    hooks.move_to_end(next(reversed(hooks)), last=False)


def shard_like(tensor: Tensor, shard: Any) -> Any:
    """Cut a tensor that each process has like one that is cut already.

    Args:
        tensor (Tensor): The whole tensor, on any device.
        shard (Any): A DTensor of the same shape.

    Returns:
        Any: A DTensor.
    """
    return distribute_tensor(
        tensor.to(shard.device),
        shard.device_mesh,
        shard.placements,
        src_data_rank=None,
    )
