"""What a training iteration of a method costs."""

import copy
import gc
from dataclasses import dataclass
from typing import Optional

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.optim import build_optim_wrapper as build_from_config
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import set_random_seed
from torch import Tensor, nn
from training_methods import Method, build_model

from localsup_mm import LocalAmpOptimWrapper
from localsup_mm.metering import LiveBytes, MacCounter
from localsup_mm.simulation import measure_step, read_workload


@dataclass(frozen=True)
class TrainingCost:
    """Of one iteration on the whole batch, and of the model.

    Args:
        peak_memory (int): Bytes.
        forward_macs (int): See :class:`StepCost`.
        step_macs (int): Likewise.
        parameters (int): Aux nets included.
    """

    peak_memory: int
    forward_macs: int
    step_macs: int
    parameters: int


class TrainingRun:
    """A model and its optimizer, as the Runner trains them.

    At a learning rate of 0: a step takes as long, and noise as labels does
    not make the losses diverge.

    Args:
        method (Method): How it is trained.
        amp (bool): Whether in mixed precision. Defaults to False.
        weights (dict[str, Tensor], optional): Of the host's model. Defaults
            to None: newly initialized.
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
        self.optim_wrapper = build_optim_wrapper(method, self.model, amp)

    def step(self, batch: dict) -> None:
        """Train on a batch, as a data loader yields it."""
        self.model.train_step(batch, self.optim_wrapper)


def build_optim_wrapper(
    method: Method, model: nn.Module, amp: bool
) -> OptimWrapper:
    """Build the optimizer of a method's config, at a learning rate of 0."""
    settings = copy.deepcopy(method.cfg.optim_wrapper)
    prefix = 'Local' if method.is_local else ''
    if not method.is_local:
        settings.pop('step_each_module', None)
    settings.type = f'{prefix}{"Amp" if amp else ""}OptimWrapper'
    if settings.type == 'AmpOptimWrapper' and get_device() == 'cpu':
        settings.type = 'PlainCpuAmpOptimWrapper'
    optim_wrapper = build_from_config(model, settings)
    for group in optim_wrapper.optimizer.param_groups:
        group['lr'] = 0.0
    return optim_wrapper


@OPTIM_WRAPPERS.register_module(force=True)
class PlainCpuAmpOptimWrapper(LocalAmpOptimWrapper):
    """bfloat16 without local modules on a CPU, where mmengine refuses."""

    def prepare_model(self, model: nn.Module) -> None:
        """No local modules to check."""


def measure_cost(run: TrainingRun, batch: dict) -> TrainingCost:
    """Measure what an iteration costs, by running it.

    Args:
        run (TrainingRun): What is trained; nothing else should be on the
            GPU.
        batch (dict): As a data loader yields it.

    Returns:
        TrainingCost: Its memory is what torch's allocator counts on a GPU,
        and the bytes of living tensors on a CPU.
    """
    set_random_seed(0)
    with MacCounter() as counter:
        run.step(batch)
    set_random_seed(0)
    if get_device() == 'cuda':
        free_memory()
        torch.cuda.reset_peak_memory_stats()
        run.step(batch)
        peak = torch.cuda.max_memory_allocated()
    else:
        with LiveBytes(run.model, run.optim_wrapper.optimizer) as live:
            run.step(batch)
        peak = live.peak
    return TrainingCost(
        peak,
        counter.forward,
        counter.total,
        _count_parameters(run.model),
    )


def predict_cost(
    method: Method,
    num_images: int,
    size: tuple[int, int],
    amp: bool = False,
) -> TrainingCost:
    """Predict what an iteration costs, on fake tensors.

    Args:
        method (Method): How it is trained.
        num_images (int): B.
        size (tuple[int, int]): H and W, in pixels.
        amp (bool): Whether in mixed precision. Defaults to False.

    Returns:
        TrainingCost: Its memory is the bytes of living tensors.
    """
    workload = read_workload(
        method.cfg, num_images, size, amp, method.with_cp, is_local=True
    )
    cost = measure_step(workload)
    return TrainingCost(
        cost.peak_memory,
        cost.forward_macs,
        cost.step_macs,
        _count_parameters(workload.model),
    )


def _count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def free_memory() -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
