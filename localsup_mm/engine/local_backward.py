"""Turning local losses into gradients."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from typing import Optional

from torch import Tensor, nn

from ..outside_autocast import outside_autocast
from ..supervision import LocalModule, LocalStep, lend_step, local_parameters
from ..upstream import inner_count_kept, not_compiled
from .checks.module_step_check import check_model_wrapper
from .checks.setup_check import check_gradients
from .local_losses import LocalLosses
from .model_wrapper import LocalDistributedDataParallel, unwrap_model
from .module_step import check_others, step_module
from .nonfinite_guard import NonfiniteGuard, explain_nonfinite
from .prepare_model import prepare_model
from .ranks_agree import check_first_gradients
from .sharding import WholeStateMixin, is_sharded

__all__ = ['LocalBackwardMixin']


class LocalBackwardMixin(WholeStateMixin):
    """Adds local backwards to an optimizer wrapper.

    One iteration, with K local modules:

    1. ``optim_context`` checks the model, once, and lends a
       :class:`LocalStep` to its backbone for the time of the forward pass;
    2. at each of the K - 1 boundaries ``local_backward`` sums the local
       losses by the host's ``parse_losses``, scales them (AMP,
       accumulation) and runs their backward outside autocast; the iteration
       counts once all the same;
    3. in distributed training the gradients of that local module start
       their way to the other processes;
    4. ``update_params`` logs the local losses as ``local_{k}.*``, raises if
       one is not finite, and does what the host does: backward of the last
       module, clipping over all gradients, one optimizer step for all
       modules.

    With ``step_each_module`` each local module has its step right after its
    backward, and its gradients are gone before the next one runs; that in 4.
    is left for the last one.

    Attributes:
        step_each_module (bool): Whether it is so. Defaults to False.
        make_step (Callable): Makes the :class:`LocalStep` of an iteration; a
            loop that trains otherwise sets another one.
        guard (NonfiniteGuard, optional): Skips iterations whose loss is not
            finite. Defaults to None: they are an error.
    """

    make_step: Callable[..., LocalStep] = LocalStep
    step_each_module: bool = False
    guard: Optional[NonfiniteGuard] = None
    _parameters: Mapping[LocalModule, Mapping[nn.Parameter, str]] = {}
    _last_parameters: Collection[nn.Parameter] = ()
    # those that have had no loss yet, and whose gradients were not looked at
    _unproven: AbstractSet[LocalModule] = frozenset()
    _unchecked: AbstractSet[LocalModule] = frozenset()
    _is_first_step: bool = False
    _checked_model: Optional[nn.Module] = None
    _local_losses = LocalLosses()
    _reductions: Mapping[LocalModule, Callable[[], None]] = {}

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter mmengine's context, and lend a step to the model.

        Args:
            model (nn.Module): The model, wrapped for distribution or not.

        Yields:
            None: For the time of the forward pass.
        """
        self.prepare_once(model)
        bare = unwrap_model(model)
        self._local_losses, self._reductions = LocalLosses(), {}
        if self.guard is not None:
            self.guard.begin(bare)
        step = self.make_step(
            partial(self.local_backward, model=model, bare=bare),
            steps_each_module=self.step_each_module,
            is_last=self.should_sync(),
        )
        with super().optim_context(model), lend_step(bare, step):
            yield
            self._check_all_learned(step)

    @not_compiled
    def prepare_once(self, model: nn.Module) -> None:
        """Prepare a model before its first iteration.

        Args:
            model (nn.Module): The model, wrapped for distribution or not.

        Raises:
            SetupError: If it cannot; the message says what to change.
        """
        if model is not self._checked_model:
            prepare_model(model)
            if self.step_each_module:
                check_model_wrapper(model)
            self._checked_model = model
            names = {p: n for n, p in unwrap_model(model).named_parameters()}
            self._parameters = {
                local_module: {p: names[p] for p in parameters}
                for local_module, parameters in local_parameters(model).items()
            }
            self._last_parameters = set(model.parameters()).difference(
                *self._parameters.values()
            )
            self._unproven = self._unchecked = frozenset(self._parameters)
            self._is_first_step = True

    def initialize_count_status(
        self, model: nn.Module, init_counts: int, max_counts: int
    ) -> None:
        """Check the model, too; the Runner calls it right before the loop.

        Args:
            model (nn.Module): The model, wrapped for distribution or not.
            init_counts (int): Iterations that are done already.
            max_counts (int): Iterations in all.
        """
        self.prepare_once(model)
        super().initialize_count_status(model, init_counts, max_counts)

    @not_compiled
    def local_backward(
        self,
        local_module: LocalModule,
        losses: dict,
        *,
        model: nn.Module,
        bare: nn.Module,
    ) -> Tensor:
        """Turn the losses of one local module into gradients.

        Args:
            local_module (LocalModule): The local module.
            losses (dict): Its losses, as the hosts' heads return them.
            model (nn.Module): The model, wrapped for distribution or not.
            bare (nn.Module): The model itself.

        Returns:
            Tensor: Their sum, ``()``, detached.
        """
        loss, log_vars = bare.parse_losses(losses)
        # a backbone that runs twice adds to gradients that are on their way
        self._finish_reductions(local_module)
        with outside_autocast(loss.device.type), inner_count_kept(self):
            self.backward(self.scale_loss(loss))
        self._local_losses.add(local_module.name, log_vars)
        self._unproven -= {local_module}
        # while they are accumulated, shards have none
        is_there = self.should_sync() or not is_sharded(model)
        if is_there and local_module in self._unchecked:
            check_gradients(local_module, self._parameters[local_module])
            self._unchecked -= {local_module}
        if (
            isinstance(model, LocalDistributedDataParallel)
            and self.should_sync()
        ):
            finish = model.reduce_gradients(local_module)
            self._reductions = {**self._reductions, local_module: finish}
        if self.step_each_module:
            self._report_local_losses()
            self._finish_reductions(local_module)
            with outside_autocast(loss.device.type):
                step_module(
                    self.optimizer,
                    self._parameters[local_module],
                    local_module.name,
                )
        return loss.detach()

    def update_params(self, loss: Tensor, *args, **kwargs) -> None:
        """Log and check the local losses, then do what mmengine does.

        Args:
            loss (Tensor): Loss of the last local module, ``()``.
            *args: Further arguments of mmengine's ``update_params``.
            **kwargs: Its keyword arguments.
        """
        self._report_local_losses()
        if self.guard is not None and not loss.isfinite():
            self.guard.note(f'`loss` is {loss.item()}.')
        super().update_params(loss, *args, **kwargs)

    def step(self, **kwargs) -> None:
        """Step the optimizer once the gradients of all processes are in.

        Args:
            **kwargs: Arguments of mmengine's ``step``.
        """
        self._finish_reductions(*self._reductions)
        if self._is_first_step and self._checked_model is not None:
            check_first_gradients(self._checked_model)
            self._is_first_step = False
        if self.guard is not None and self.guard.skips():
            return
        if self.step_each_module:
            check_others(
                self.optimizer, self._last_parameters, 'the last local module'
            )
        super().step(**kwargs)

    def _check_all_learned(self, step: LocalStep) -> None:
        names = [
            m.boundary.name
            for supervision in step.begun
            for m in supervision.local_modules
            if m in self._unproven
            and m.training
            and step.trains(m.index)
            and any(p.requires_grad for p in self._parameters[m])
        ]
        if names:
            raise RuntimeError(
                '`local_modules` should all have had their loss in the first '
                f'iteration, but got none at {names}. Replace '
                'activation_checkpointing in the config by with_cp=True of '
                'the backbone.'
            )

    def _finish_reductions(self, *local_modules: LocalModule) -> None:
        pending = dict(self._reductions)
        for local_module in local_modules:
            finish = pending.pop(local_module, None)
            if finish is not None:
                finish()
        self._reductions = pending

    @not_compiled
    def _report_local_losses(self) -> None:
        # terms come first, so that the message names the term
        for (name, key), value in self._local_losses.take().items():
            if math.isfinite(value):
                self.message_hub.update_scalar(f'train/{name}.{key}', value)
            elif self.guard is not None:
                self.guard.note(f'`{key}` of {name} is {value}.')
            else:
                raise FloatingPointError(
                    explain_nonfinite(self, f'`{key}` of {name}', value)
                )
