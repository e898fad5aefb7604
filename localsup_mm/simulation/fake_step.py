"""A training iteration that computes nothing."""

import copy
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    FakeCopyMode,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from ..engine.module_step import step_module
from ..engine.outside_autocast import outside_autocast
from ..hosts import adapted_compiled_ops
from ..supervision import LocalModule, LocalStep, lend_step, local_parameters
from ..supervision.replaced_method import replaced_method
from .hollow_ops import HollowOps, real_loss, to_real
from .workload import Workload

__all__ = ['FakeStep', 'depends_on_data', 'host_ops', 'make_batch']


class FakeStep:
    """One training iteration on fake tensors, as the Runner does it.

    But for its log, which reads the losses: fake tensors have no values. The
    optimizer has its state, as from the second iteration on.

    Args:
        workload (Workload): Its model is copied, not changed.
        after_module (Callable, optional): Called, without arguments, when
            a local module but the last has learnt. Defaults to None.

    Attributes:
        fake (FakeTensorMode): Of its tensors.
        model (nn.Module): The copy, in training mode.
        optimizer (Optimizer): Of its trainable parameters.
        batch (tuple[Tensor, Any]): Images and labels of the last iteration.
    """

    def __init__(
        self,
        workload: Workload,
        after_module: Optional[Callable[[], None]] = None,
    ) -> None:
        self.workload = workload
        self._after_module = after_module
        # helper tensors that a backbone makes in a backward are real
        self.fake = FakeTensorMode(
            shape_env=ShapeEnv(), allow_non_fake_inputs=True
        )
        self._is_split = is_split = workload.is_data_dependent
        self.model = self._copy_split() if is_split else self._copy()
        self.model.train()
        self._parameters = {
            local_module: set(parameters)
            for local_module, parameters in local_parameters(
                self.model
            ).items()
        }
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = workload.make_optimizer(parameters)
        with nullcontext() if is_split else self.fake:
            for parameter in parameters:
                parameter.grad = torch.zeros_like(parameter)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=not workload.accumulates)

    def _copy(self) -> nn.Module:
        with FakeCopyMode(self.fake):
            return copy.deepcopy(self.workload.model)

    def _copy_split(self) -> nn.Module:
        """Fake the backbone; neck, heads and aux nets stay real."""
        model = self.workload.model
        memo: dict = {}
        for module in model.backbone.modules():
            if isinstance(module, LocalModule):
                copy.deepcopy(module, memo)
        with FakeCopyMode(self.fake):
            copy.deepcopy(model.backbone, memo)
        return copy.deepcopy(model, memo)

    @contextmanager
    def running(self) -> Iterator[None]:
        """The modes it runs in, other than those of the caller."""
        with ExitStack() as stack:
            stack.enter_context(host_ops())
            if self._is_split:
                for owner, name, method in self._make_hollow():
                    stack.enter_context(replaced_method(owner, name, method))
                stack.enter_context(HollowOps())
            else:
                stack.enter_context(self.fake)
            yield

    def compute_loss(self) -> Tensor:
        """Forward pass, with the backwards of the local modules in it."""
        # lives on until the next one, as in a host's train_step
        self.batch = make_batch(self.workload, self.fake)
        step = LocalStep(self._local_backward)
        with lend_step(self.model, step), self.workload.autocast():
            try:
                losses = self.model(*self.batch, mode='loss')
            except ValueError as error:
                # of torch, in a batch norm
                if 'more than 1 value per channel' not in str(error):
                    raise
                raise ValueError(
                    '`batch_size` should be at least 2 for a batch norm of '
                    f'1 x 1 features, but got {self.workload.input_shape[0]} '
                    'for one device. Train on 2 images a device, or plan for '
                    'as many.'
                ) from error
            return self.model.parse_losses(losses)[0]

    def run(self) -> None:
        """Forward pass, backward, optimizer step."""
        self.compute_loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _local_backward(self, local_module: nn.Module, losses: dict) -> None:
        loss = self.model.parse_losses(losses)[0]
        real = unset_fake_temporarily if self._is_split else nullcontext
        with outside_autocast('cpu'):
            with real():
                loss.backward()
            if self.workload.step_each_module:
                step_module(
                    self.optimizer,
                    self._parameters[local_module],
                    local_module.name,
                )
        if self._after_module is not None:
            self._after_module()

    def _make_hollow(self) -> Iterator[tuple[nn.Module, str, Callable]]:
        """What stands between fake backbone and real heads."""
        backbone = self.model.backbone
        forward = partial(self._forward_backbone, backbone.forward)
        yield backbone, 'forward', forward
        for module in backbone.modules():
            if isinstance(module, LocalModule):
                yield (
                    module,
                    'loss',
                    partial(real_loss, self.fake, module.loss),
                )

    def _forward_backbone(
        self, forward: Callable, *args: Any, **kwargs: Any
    ) -> Any:
        with self.fake:
            feats = forward(*args, **kwargs)
        return to_real(self.fake, feats)


@contextmanager
def host_ops() -> Iterator[None]:
    """Let hosts' ops run on fake tensors, and draw the same boxes each time.

    Yields:
        None: While they do.
    """
    with adapted_compiled_ops(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def make_batch(workload: Workload, fake: FakeTensorMode) -> tuple[Tensor, Any]:
    """Make images and labels.

    Args:
        workload (Workload): Says which.
        fake (FakeTensorMode): Of the images, and of the labels where no
            value of them matters.

    Returns:
        tuple[Tensor, Any]: ``(B, 3, H, W)`` and the labels.
    """
    shape = workload.input_shape
    with fake:
        inputs = torch.empty(*shape)
    with nullcontext() if workload.is_data_dependent else fake:
        return inputs, workload.make_data_samples(shape)


def depends_on_data(workload: Workload) -> bool:
    """Whether a loss reads values, which fake tensors do not have.

    Args:
        workload (Workload): Taken for one that does not.

    Returns:
        bool: Whether it has to be run on real tensors; see there.
    """
    step = FakeStep(workload)
    try:
        with step.running():
            step.compute_loss()
    except RuntimeError as error:
        # torch has many for it; another one comes again on real tensors
        _clear_frames(error)
        return True
    return False


def _clear_frames(error: Optional[BaseException]) -> None:
    """Free what the frames of an error hold.

    Left to the garbage collector, fake tensors in a cycle of frames crash
    Python (torch 2.12).
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
