"""A training iteration that computes nothing."""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, Optional

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.optim import Optimizer

from ..hosts import adapted_compiled_ops, attention_as_on_gpu
from ..replaced_method import replaced_method
from ..supervision import LocalModule, find_supervised_backbones
from ..upstream import (
    FakeCopyMode,
    FakeTensorMode,
    unset_fake_temporarily,
)
from .fake_optim_wrapper import FakeOptimWrapper
from .first_iteration import in_first_iteration
from .optimizer_with_state import make_optimizer_with_state
from .shape_only_ops import ShapeOnlyOps, real_loss, to_real
from .shared_norms import shared_norms_allowed
from .workload import Workload

__all__ = ['FakeStep', 'host_ops', 'make_batch']


class FakeStep:
    """Run one training iteration on fake tensors, as the Runner does it.

    A :class:`LocalOptimWrapper` trains a locally supervised model, and
    mmengine's own wrapper a plain one. The log is left out, since it reads
    losses, and fake tensors have no values. So is clipping, which takes no
    memory. The optimizer has its state, as from the second iteration on.

    Args:
        workload (Workload): The training that is imitated; its model is
            copied, not changed.
        after_module (Callable, optional): It is called, without arguments,
            when a local module but the last has learnt. Defaults to None.

    Attributes:
        fake (FakeTensorMode): The mode of the fake tensors.
        model (nn.Module): The copy, in training mode.
        wrapper (OptimWrapper): The wrapper that trains the copy.
        batch (tuple[Tensor, Any], optional): Images and labels of the last
            iteration, if there was one.
    """

    def __init__(
        self,
        workload: Workload,
        after_module: Optional[Callable[[], None]] = None,
    ) -> None:
        self.workload = workload
        self.batch: Optional[tuple[Tensor, Any]] = None
        # helper tensors that a backbone makes in a backward are real
        self.fake = FakeTensorMode(
            shape_env=ShapeEnv(), allow_non_fake_inputs=True
        )
        self._is_split = workload.is_data_dependent
        self.model = self._copy_split() if self._is_split else self._copy()
        self.model.train()
        self.wrapper = self._make_wrapper(after_module)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer of the copy's trainable parameters."""
        return self.wrapper.optimizer

    def _make_wrapper(
        self, after_module: Optional[Callable[[], None]]
    ) -> OptimWrapper:
        with nullcontext() if self._is_split else self.fake:
            optimizer = make_optimizer_with_state(self.workload, self.model)
        if not find_supervised_backbones(self.model):
            return OptimWrapper(optimizer)
        return FakeOptimWrapper(
            optimizer,
            self.workload.step_each_module,
            after_module,
            unset_fake_temporarily if self._is_split else nullcontext,
        )

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
        # a backbone may refer to a head, as that of DDQ does
        own = {id(tensor) for tensor in _list_tensors(model.backbone)}
        for tensor in _list_tensors(model):
            if id(tensor) not in own:
                copy.deepcopy(tensor, memo)
        with FakeCopyMode(self.fake):
            copy.deepcopy(model.backbone, memo)
        return copy.deepcopy(model, memo)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Enter the modes that the iteration runs in."""
        with ExitStack() as stack:
            stack.enter_context(host_ops())
            stack.enter_context(shared_norms_allowed(self.model))
            if self._is_split:
                for owner, name, method in self._bridge_to_real():
                    stack.enter_context(replaced_method(owner, name, method))
                stack.enter_context(ShapeOnlyOps())
            else:
                stack.enter_context(self.fake)
            yield

    def compute_loss(self) -> Tensor:
        """Run the forward pass, with the backwards of local modules in it.

        Returns:
            Tensor: The loss that is left for the last backward, ``()``.
        """
        # lives on until the next one, as in a host's train_step
        self.batch = make_batch(self.workload, self.fake)
        with (
            self.wrapper.optim_context(self.model),
            self.workload.autocast(),
        ):
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
        """Run the forward pass, the backward and the optimizer's step."""
        loss = self.compute_loss()  # lives on, as in a host's train_step
        self.wrapper.update_params(loss)

    def _bridge_to_real(self) -> Iterator[tuple[nn.Module, str, Callable]]:
        """Find the methods that lead from the fake backbone to real heads.

        Yields:
            tuple[nn.Module, str, Callable]: A module, the name of its method
            and what replaces that.
        """
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
    with (
        adapted_compiled_ops(),
        attention_as_on_gpu(),
        in_first_iteration(),
        torch.random.fork_rng(devices=[]),
    ):
        torch.default_generator.manual_seed(0)
        yield


def make_batch(workload: Workload, fake: FakeTensorMode) -> tuple[Tensor, Any]:
    """Make images and labels.

    Args:
        workload (Workload): The training that they are for.
        fake (FakeTensorMode): The mode of the images, and of the labels
            where no value of them matters.

    Returns:
        tuple[Tensor, Any]: Images, ``(B, 3, H, W)``, and labels.
    """
    shape = workload.input_shape
    with fake:
        inputs = torch.empty(*shape)
    with nullcontext() if workload.is_data_dependent else fake:
        return inputs, workload.make_data_samples(shape)


def _list_tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]
