"""Data-parallel training whose processes share what they hold."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Union

import torch
import torch.distributed as dist
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from torch import nn

from ...errors import SetupError
from ...upstream import shard_like
from ..ranks_agree import check_same_model
from .shard_model import shard_model
from .whole_state import (
    find_whole_state,
    kept_by_main_process,
    shard_loaded,
)

__all__ = ['LocalFullyShardedDataParallel', 'is_sharded']


@MODEL_WRAPPERS.register_module()
class LocalFullyShardedDataParallel(nn.Module):
    """torch's FSDP2 for local modules: each process holds a part of all.

    Parameters, gradients and the optimizer's state are cut into as many parts
    as there are processes. A block is put together when it runs, and its
    gradients are summed up and cut (reduce-scatter) within the local
    backward that made them; for a network whose state does not fit.

    Checkpoints are ordinary ones: the Runner's hooks write whole tensors, and
    read those of any number of processes. The model has to fit once, when it
    is built, and on the CPU of the first process, when it is saved.

    Use it by ``model_wrapper_cfg=dict(type='LocalFullyShardedDataParallel')``.

    Each process has to use the same parameters in an iteration. EMA of the
    weights, parameters of a single number and mmengine's FlexibleRunner do
    not go with it. The hosts' ``with_cp`` and GPUs are not tested yet.

    Source: ``fully_shard`` of torch 2.6 and newer.

    Args:
        module (nn.Module): The model, on its device.

    Raises:
        SetupError: If torch is older, a parameter is a single number, or
            processes have different models.

    Attributes:
        allows_local_backward (bool): Whether a wrapper is made for backwards
            within the forward pass.
    """

    allows_local_backward = True

    def __init__(self, module: BaseModel) -> None:
        super().__init__()
        check_same_model(module)
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor.data, 0)
        shard_model(module)
        if hasattr(module, 'init_weights'):
            init_weights = partial(_init_whole, module, module.init_weights)
            module.init_weights = init_weights
        module.__deepcopy__ = _refuse_copy
        module.register_state_dict_post_hook(_gather)
        for part in module.modules():
            part.register_load_state_dict_pre_hook(shard_loaded)
        self.module = module
        _let_runners_save_whole()

    def train_step(
        self, data: Union[dict, tuple, list], optim_wrapper: OptimWrapper
    ) -> dict:
        """Train for one iteration, as mmengine's wrappers do.

        Args:
            data (dict | tuple | list): A batch.
            optim_wrapper (OptimWrapper): A local one.

        Returns:
            dict: Losses for the log.
        """
        model: Any = self.module
        # while gradients are accumulated, each process keeps its own
        model.set_requires_gradient_sync(optim_wrapper.should_sync())
        # a local backward ends in the midst of the forward pass
        model.set_reshard_after_backward(False, recurse=False)
        with optim_wrapper.optim_context(self):
            data = model.data_preprocessor(data, True)
            losses = model._run_forward(data, mode='loss')
        model.set_reshard_after_backward(True, recurse=False)
        loss, log_vars = model.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return log_vars

    def val_step(self, data: Union[dict, tuple, list]) -> list:
        """Predict in validation.

        Args:
            data (dict | tuple | list): A batch.

        Returns:
            list: Predictions.
        """
        predictions = self.module.val_step(data)
        self.module.reshard()
        return predictions

    def test_step(self, data: Union[dict, tuple, list]) -> list:
        """Predict in a test.

        Args:
            data (dict | tuple | list): A batch.

        Returns:
            list: Predictions.
        """
        predictions = self.module.test_step(data)
        self.module.reshard()
        return predictions

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model.

        Args:
            *args (Any): Its arguments.
            **kwargs (Any): Its keyword arguments.

        Returns:
            Any: Its result.
        """
        return self.module(*args, **kwargs)


def is_sharded(model: nn.Module) -> bool:
    """Tell whether processes share the parameters of a model.

    Args:
        model (nn.Module): The model, wrapped for distribution or not.

    Returns:
        bool: Whether they do.
    """
    return isinstance(model, LocalFullyShardedDataParallel)


@torch.no_grad()
def _init_whole(module: nn.Module, init_weights: Callable) -> None:
    """Let a model draw its weights as one process does, then cut them."""
    wholes: dict[nn.Parameter, nn.Parameter] = {}
    places = [
        (part, name, shard)
        for part in module.modules()
        for name, shard in part.named_parameters(recurse=False)
    ]
    for part, name, shard in places:
        if shard not in wholes:
            whole = find_whole_state(shard.detach()).to(shard.device)
            wholes[shard] = nn.Parameter(whole, shard.requires_grad)
        setattr(part, name, wholes[shard])
    init_weights()
    for part, name, shard in places:
        setattr(part, name, shard)
    for shard, whole in wholes.items():
        dist.broadcast(whole.data, 0)
        shard.copy_(shard_like(whole.data, shard))


def _refuse_copy(memo: dict) -> None:
    raise SetupError(
        '`custom_hooks` should have no EMAHook with '
        'LocalFullyShardedDataParallel, but got one, or another copy of the '
        'model, which shards do not allow. Leave it out, or take '
        'LocalDistributedDataParallel.'
    )


def _gather(
    module: nn.Module, state: dict, prefix: str, metadata: dict
) -> None:
    """Put the shards of a state dict together; all processes ask for it."""
    for key in list(state):
        state[key] = find_whole_state(state[key])


@contextmanager
def _whole_states_noted(runner: Runner) -> Iterator[None]:
    """Gather in all processes what one alone asks for to save it."""
    holders = [runner.model.module, runner.optim_wrapper]
    for holder in holders:
        with kept_by_main_process():
            state = holder.state_dict()
        holder.state_dict = lambda state=state: state
    try:
        yield
    finally:
        for holder in holders:
            del holder.state_dict


def _let_runners_save_whole() -> None:
    """Let Runners save shards, which they do in the first process alone."""
    save = Runner.save_checkpoint
    if getattr(save, 'gathers_shards', False):
        return

    @wraps(save)
    def save_whole(runner: Runner, *args: Any, **kwargs: Any) -> None:
        if is_sharded(runner.model):
            with _whole_states_noted(runner):
                save(runner, *args, **kwargs)
        else:
            save(runner, *args, **kwargs)

    save_whole.gathers_shards = True  # type: ignore[attr-defined]
    Runner.save_checkpoint = save_whole  # type: ignore[method-assign]
