"""State dicts of one process, made from shards and cut into them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mmengine.dist import is_main_process
from torch import Tensor, nn
from torch.optim import Optimizer

from ...upstream import DTensor, shard_like, tree_map_only

__all__ = [
    'find_whole_state',
    'kept_by_main_process',
    'shard_loaded',
    'shard_state',
]

_is_kept = ContextVar('_is_kept', default=True)


@contextmanager
def kept_by_main_process() -> Iterator[None]:
    """Let the first process alone keep what is put together.

    Yields:
        None: While others get None for a tensor.
    """
    token = _is_kept.set(is_main_process())
    try:
        yield
    finally:
        _is_kept.reset(token)


def find_whole_state(state: Any) -> Any:
    """Put shards together; all processes have to call it.

    Args:
        state (Any): A state dict, as of a model or an optimizer.

    Returns:
        Any: The same with ordinary tensors, on the CPU; without shards it
        is ``state`` itself.
    """

    def gather(shard: Any) -> Any:
        whole = shard.full_tensor()
        return whole.cpu() if _is_kept.get() else None

    return state if DTensor is None else tree_map_only(DTensor, gather, state)


def shard_state(state: dict, optimizer: Optimizer) -> dict:
    """Cut the state of an optimizer like its parameters.

    Args:
        state (dict): The state dict of an optimizer in one process.
        optimizer (Optimizer): An optimizer of shards, or of ordinary
            parameters.

    Returns:
        dict: State dict for this process.
    """
    if DTensor is None:
        return state
    parameters = [p for g in optimizer.param_groups for p in g['params']]
    indices = [i for g in state['param_groups'] for i in g['params']]
    of_index = dict(zip(indices, parameters))
    shards = {
        index: {
            key: _shard(value, of_index.get(index))
            for key, value in values.items()
        }
        for index, values in state['state'].items()
    }
    return dict(state, state=shards)


def shard_loaded(
    module: nn.Module, state: dict, prefix: str, *args: Any
) -> None:
    """Cut what is about to be loaded; a pre-hook of ``load_state_dict``.

    Args:
        module (nn.Module): Module whose own parameters are loaded.
        state (dict): The state dict, changed in place.
        prefix (str): The beginning of its names.
        *args (Any): Further arguments of such a hook.
    """
    for name, parameter in module.named_parameters(recurse=False):
        key = f'{prefix}{name}'
        if key in state:
            state[key] = _shard(state[key], parameter)


def _shard(value: Any, parameter: Any) -> Any:
    if (
        isinstance(parameter, DTensor)
        and isinstance(value, Tensor)
        and not isinstance(value, DTensor)
        and value.shape == parameter.shape
    ):
        return shard_like(value, parameter)
    return value
