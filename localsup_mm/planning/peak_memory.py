"""Peak training memory of a model, without a GPU and without running it."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.optim import Optimizer

from ..engine.live_bytes import LiveBytes
from ..models import LocalModule, LocalStep, lend_step

__all__ = ['peak_memory', 'train_step']


def peak_memory(
    model: nn.Module,
    input_shape: Sequence[int],
    make_data_samples: Callable[[Sequence[int]], Any],
    make_optimizer: Callable[..., Optimizer],
    num_iters: int = 2,
    step_each_module: bool = False,
) -> int:
    """Peak memory of a training iteration, from fake tensors.

    Counts parameters, gradients, optimizer state and activations, as
    allocated; not what kernels take for themselves. An hour's run on a large
    GPU takes seconds on a laptop.

    Args:
        model (nn.Module): A host's model, locally supervised or not, on the
            CPU; it is not changed.
        input_shape (Sequence[int]): ``(B, 3, H, W)``.
        make_data_samples (Callable): Called with ``input_shape``, returns
            the labels as the model takes them.
        make_optimizer (Callable): Called with the parameters.
        num_iters (int): The last of so many iterations is measured; by the
            second the optimizer has its state. Defaults to 2.
        step_each_module (bool): As :class:`LocalOptimWrapper`. Defaults to
            False.

    Returns:
        int: Bytes.
    """
    fake = FakeTensorMode(shape_env=ShapeEnv())
    with FakeCopyMode(fake):
        model = copy.deepcopy(model)
    model.train()
    optimizer = make_optimizer(
        [p for p in model.parameters() if p.requires_grad]
    )
    with fake:
        inputs = torch.empty(*input_shape)
        data_samples = make_data_samples(input_shape)
        for _ in range(num_iters):
            live = LiveBytes(model, optimizer)
            with live:
                train_step(
                    model, inputs, data_samples, optimizer, step_each_module
                )
    return live.peak


def train_step(
    model: nn.Module,
    inputs: torch.Tensor,
    data_samples: Any,
    optimizer: Optimizer,
    step_each_module: bool = False,
) -> None:
    """One iteration as the Runner does it, but for its log.

    A log reads the losses, which fake tensors do not have.

    Args:
        model (nn.Module): A host's model, in training mode.
        inputs (torch.Tensor): ``(B, 3, H, W)``, normalized.
        data_samples (Any): Labels, as the model takes them.
        optimizer (Optimizer): Of its parameters.
        step_each_module (bool): As :class:`LocalOptimWrapper`. Defaults to
            False.
    """

    def local_backward(local_module: LocalModule, losses: dict) -> None:
        model.parse_losses(losses)[0].backward()
        if step_each_module:
            optimizer.step()
            optimizer.zero_grad()

    with lend_step(model, LocalStep(local_backward)):
        losses = model(inputs, data_samples, mode='loss')
    model.parse_losses(losses)[0].backward()
    optimizer.step()
    optimizer.zero_grad()
