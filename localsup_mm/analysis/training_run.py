"""A model and its optimizer, to be measured in a training iteration."""

import copy
import gc
from typing import Optional

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.optim import build_optim_wrapper as build_from_config
from mmengine.runner import set_random_seed
from torch import Tensor, nn

from ..engine import AMP_FORMS, LOCAL_FORMS, LocalAmpOptimWrapper
from ..metering import LiveBytes, MacCounter
from ..simulation import StepCost, in_first_iteration
from .methods import Method, build_model

__all__ = ['TrainingRun', 'release_memory']


class TrainingRun:
    """A model and its optimizer, as the Runner trains them.

    The learning rate is 0: a step takes as long, and noise as labels does
    not make the losses diverge.

    Args:
        method (Method): The way in which it is trained.
        amp (bool): Whether it is trained in mixed precision. Defaults to
            False.
        weights (dict[str, Tensor], optional): The weights of the host's
            model. Defaults to None, which initializes them.
    """

    def __init__(
        self,
        method: Method,
        amp: bool = False,
        weights: Optional[dict[str, Tensor]] = None,
    ) -> None:
        set_random_seed(0)
        self.model = build_model(method)
        self.model.init_weights()
        if weights is not None:
            # aux nets have no counterpart
            self.model.load_state_dict(weights, strict=False)
        self.model.to(get_device())
        self.optim_wrapper = _build_optim_wrapper(method, self.model, amp)

    def step(self, batch: dict) -> None:
        """Train on a batch, as a data loader yields it."""
        with in_first_iteration():
            self.model.train_step(batch, self.optim_wrapper)

    def measure(self, batch: dict) -> StepCost:
        """Measure the costs of an iteration, by running it.

        Nothing else should be on the GPU.

        Args:
            batch (dict): A batch as a data loader yields it.

        Returns:
            StepCost: The costs of the iteration. Its memory is the count of
            torch's allocator on a GPU, and the bytes of living tensors on a
            CPU; it is that of the whole iteration, not of each local module.
        """
        set_random_seed(0)
        with MacCounter() as counter:
            self.step(batch)
        set_random_seed(0)
        if get_device() == 'cuda':
            release_memory()
            torch.cuda.reset_peak_memory_stats()
            self.step(batch)
            peak = torch.cuda.max_memory_allocated()
        else:
            with LiveBytes(self.model, self.optim_wrapper.optimizer) as live:
                self.step(batch)
            peak = live.peak
        parameters = sum(p.numel() for p in self.model.parameters())
        return StepCost(
            (peak,),
            counter.forward,
            counter.total,
            parameters,
            counter.moved,
        )


def release_memory() -> None:
    """Give back what nothing refers to any more, on a GPU as well."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _build_optim_wrapper(
    method: Method, model: nn.Module, amp: bool
) -> OptimWrapper:
    """Build the optimizer of a method's config, at a learning rate of 0."""
    settings = copy.deepcopy(method.cfg.optim_wrapper)
    settings.type = 'OptimWrapper'
    if amp:
        settings.type = AMP_FORMS[settings.type]
    if method.is_local:
        settings.type = LOCAL_FORMS[settings.type]
    else:
        settings.pop('step_each_module', None)
    if settings.type == 'AmpOptimWrapper' and get_device() == 'cpu':
        settings.type = _PlainCpuAmpOptimWrapper
    optim_wrapper = build_from_config(model, settings)
    for group in optim_wrapper.optimizer.param_groups:
        group['lr'] = 0.0
    return optim_wrapper


class _PlainCpuAmpOptimWrapper(LocalAmpOptimWrapper):
    """An optimizer wrapper for bfloat16 without local modules on a CPU.

    mmengine's own wrapper refuses to run there.
    """

    def prepare_once(self, model: nn.Module) -> None:
        """Check nothing, since there are no local modules."""
