"""A model of which each process trains one local module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Optional

import torch
import torch.distributed as dist
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn

from ...errors import SetupError
from ...outside_autocast import outside_autocast
from ...supervision import LocalModule, LocalStep
from ..ranks_agree import check_same_model
from .as_one_process import as_one_process
from .backbone_share import BackboneShare
from .check_parallel import check_model_and_number, check_optim_wrapper
from .feedback import Feedback
from .handover import Handover
from .owners import (
    drop_foreign_state,
    find_owners,
    gather_optimizer,
    gather_state,
)
from .parallel_step import ModuleParallelStep
from .pipe import Pipe

__all__ = ['ModuleParallel']

# a validation of the process before is waited for, an ended process is not
_PATIENCE = timedelta(days=30)


@MODEL_WRAPPERS.register_module()
class ModuleParallel(nn.Module):
    """A model of which process k trains local module k.

    All processes have the whole model, and process k gradients, optimizer
    state and activations of local module k; the last one has neck and heads
    with it. In an iteration

    1. process 0 preprocesses the batch that it has read, process k waits for
       what process k - 1 hands over;
    2. the local module runs, and its features, the batch and what else is
       read behind it go to process k + 1 at once, see :class:`Handover`;
    3. its local loss has its backward, and its parameters their step;
    4. its losses go back to process 0, which logs what has come so far.

    Nothing flows back but losses, and, for aux nets that follow a block
    of the next local module (MAN), its parameters. So all processes work at
    the same time, each on another batch, and each gets the features that one
    process would have got: parameters are the same, bit by bit, where
    nothing is drawn at random in the model. No feature is older than in one
    process.

    :class:`ModuleParallelRunner` makes it.

    Args:
        module (nn.Module): The model.
        queue_size (int): How many batches may wait between two processes on
            either side; a process that is faster waits. Defaults to 2.
        clip_each_module (bool): Whether ``clip_grad`` by a norm is over the
            gradients of each local module by itself, which one process
            does not do. Defaults to False: it is refused.

    Attributes:
        lag (int): Iterations that processes may be apart without one of
            them waiting for another's answer.

    Raises:
        SetupError: If the number of processes is not that of local modules,
            or they have different models; in the first iteration, if
            the optimizer wrapper does not fit.
    """

    allows_local_backward = True

    def __init__(
        self,
        module: nn.Module,
        queue_size: int = 2,
        clip_each_module: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.rank, self.num_processes = dist.get_rank(), dist.get_world_size()
        self.lag = 2 * self.num_processes
        self._queue_size, self._clips_each = queue_size, clip_each_module
        check_same_model(module)
        self._groups = [
            dist.new_group(backend='gloo', timeout=_PATIENCE) for _ in range(3)
        ]
        self._share: Optional[BackboneShare] = None
        self._owners: dict[str, int] = {}
        self._feedback: Any = None
        self._pipe: Optional[Pipe] = None
        self._data: Any = None
        self._is_gathered = True
        if self.rank:  # or modules would draw the same numbers in all
            torch.manual_seed(torch.initial_seed() + self.rank)

    def train_step(
        self, data: Any, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Train local module k on the next batch.

        Args:
            data (Any): The batch, in process 0; None in the others.
            optim_wrapper (OptimWrapper): A local one.

        Returns:
            dict[str, Tensor]: The losses that this process knows, of this
            batch or of one shortly before.

        Raises:
            SetupError: In the first iteration, if the training cannot be
                divided.
            TypeError: If the optimizer wrapper is not local.
            RuntimeError: If a process before or behind has ended.
        """
        is_first = self._pipe is None
        if self._pipe is None:
            check_model_and_number(self.module, self.num_processes)
            check_optim_wrapper(optim_wrapper, self._clips_each)
            self._pipe = Pipe(self._groups, self._queue_size, self.device)
        self._check_data(data)
        self._is_gathered = False
        received = self._pipe.receive()
        optim_wrapper.make_step = partial(
            ModuleParallelStep,
            k=self.rank,
            find_share=self._find_share,
            received=received,
            hand_over=self._hand_over,
            before_follow=self._before_follow,
        )
        with as_one_process(), optim_wrapper.optim_context(self):
            if received is None:
                self._data = self.module.data_preprocessor(data, True)
            else:
                self._data = received.data
            losses = self._run_forward(self._data)
        self._data = received = None
        optim_wrapper.make_step = LocalStep  # the other holds the batch
        loss, log_vars = self.module.parse_losses(losses)
        optim_wrapper.update_params(loss)
        if is_first:  # a checkpoint has that of all
            drop_foreign_state(
                optim_wrapper.optimizer, self.module, self._owners
            )
        return self._feedback.exchange(optim_wrapper, log_vars)

    def val_step(self, data: Any) -> list:
        """Predict as the model does."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> list:
        """Predict as the model does."""
        return self.module.test_step(data)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model."""
        return self.module(*args, **kwargs)

    def train(self, mode: bool = True) -> ModuleParallel:
        """Go into training mode, or gather and go into evaluation mode."""
        if not mode:
            self.gather()
        return super().train(mode)

    def gather(self, *others: nn.Module) -> None:
        """Give all processes what each has trained; all have to call it.

        Args:
            *others (nn.Module): Models with the same state that go the same
                way, e.g. an average of the model.
        """
        models = others if self._is_gathered else (self.module, *others)
        for model in models:
            gather_state(model, self._owners, self._groups[2])
        self._is_gathered = True

    @contextmanager
    def optimizer_gathered(self, wrapper: OptimWrapper) -> Iterator[None]:
        """Give process 0 the optimizer state of all; all have to call it.

        Args:
            wrapper (OptimWrapper): The optimizer wrapper.

        Yields:
            None: While process 0 has it.
        """
        if self._pipe is None:
            yield
            return
        with gather_optimizer(
            wrapper.optimizer, self.module, self._owners, self._groups[2]
        ):
            yield

    def close(self) -> None:
        """End the exchange; all processes call it behind the same batch."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = self._share = self._feedback = None

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.module.parameters()).device

    def _run_forward(self, data: Any) -> Any:
        if isinstance(data, dict):
            return self(**data, mode='loss')
        return self(*data, mode='loss')

    def _check_data(self, data: Any) -> None:
        if (data is None) != (self.rank > 0):
            raise SetupError(
                '`train_dataloader` should be read by process 0 alone for '
                f'ModuleParallel, but got a batch of {type(data).__name__} '
                f"in process {self.rank}. Set runner_type='ModuleParallel"
                "Runner', which makes it so."
            )

    def _find_share(
        self, backbone: nn.Module, inputs: Tensor
    ) -> BackboneShare:
        if self._share is None:
            assert self._pipe is not None
            with outside_autocast(inputs.device.type):
                self._share = BackboneShare(backbone, self.rank, inputs)
            in_backbone = self._share.owners
            self._owners = find_owners(self.module, in_backbone)
            self._feedback = Feedback(
                self._pipe, backbone, self.rank, in_backbone
            )
        return self._share

    def _hand_over(self, handover: Handover) -> None:
        assert self._pipe is not None
        handover.data = self._data
        self._pipe.hand_over(handover)

    def _before_follow(
        self, backbone: nn.Module, local_module: LocalModule
    ) -> None:
        self._feedback.before_follow(backbone, local_module)
