"""How a local loss becomes gradients."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Optional, Union

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn

from ..hosts import adapted_compiled_ops
from ..supervision import LocalModule, LocalStep, lend_step, local_parameters
from .checks.setup_check import check_gradients
from .model_wrapper import LocalDistributedDataParallel, unwrap_model
from .module_step import (
    check_model_wrapper,
    check_others,
    check_settings,
    step_module,
)
from .outside_autocast import outside_autocast
from .prepare_model import prepare_model

__all__ = ['LocalAmpOptimWrapper', 'LocalBackwardMixin', 'LocalOptimWrapper']


class LocalBackwardMixin:
    """Adds local backwards to an optimizer wrapper.

    One iteration, with K local modules:

    1. ``optim_context`` checks the model, once, and lends a
       :class:`LocalStep` to its backbone for the time of the forward pass;
    2. at each of the K - 1 boundaries ``local_backward`` sums the local
       losses as the host does, scales them (AMP, accumulation) and runs
       their backward outside autocast; the iteration counts once all the
       same;
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
        only (int, optional): The local module that alone is trained, see
            :class:`LocalStep`. Set by :class:`AsynchronousTrainLoop`.
    """

    only: Optional[int] = None
    step_each_module: bool = False
    _parameters: Mapping[LocalModule, Collection[nn.Parameter]] = {}
    _last_parameters: Collection[nn.Parameter] = ()
    _unproven: Collection[LocalModule] = ()
    _checked_model: Optional[nn.Module] = None
    _local_losses: Optional[dict[str, Tensor]] = None
    _reductions: Sequence[Callable[[], None]] = ()

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The host's context, with a step lent to the model."""
        self.prepare_model(model)
        bare = unwrap_model(model)
        self._local_losses = {}
        self._reductions = []
        step = LocalStep(
            partial(self.local_backward, model=model, bare=bare),
            only=self.only,
            steps_each_module=self.step_each_module,
        )
        with super().optim_context(model), lend_step(bare, step):
            yield

    def prepare_model(self, model: nn.Module) -> None:
        """Check once that a model can be trained by local losses.

        Args:
            model (nn.Module): The model, wrapped for distribution or not.

        Raises:
            ValueError: If it cannot; the message says what to change.
        """
        if model is not self._checked_model:
            prepare_model(model)
            if self.step_each_module:
                check_model_wrapper(model)
            self._checked_model = model
            self._parameters = {
                local_module: set(parameters)
                for local_module, parameters in local_parameters(model).items()
            }
            self._last_parameters = set(model.parameters()).difference(
                *self._parameters.values()
            )
            self._unproven = set(self._parameters)

    def initialize_count_status(
        self, model: nn.Module, init_counts: int, max_counts: int
    ) -> None:
        """As the host; the Runner calls it right before the loop."""
        self.prepare_model(model)
        super().initialize_count_status(model, init_counts, max_counts)

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
            local_module (LocalModule): Whose losses they are.
            losses (dict): As a host's head returns them.
            model (nn.Module): The model, wrapped for distribution or not.
            bare (nn.Module): The model itself.

        Returns:
            Tensor: Their sum, ``()``, detached.
        """
        loss, log_vars = bare.parse_losses(losses)
        count = self._inner_count
        with outside_autocast(loss.device.type):
            self.backward(self.scale_loss(loss))
        self._inner_count = count
        for key, value in log_vars.items():
            self._local_losses[f'{local_module.name}.{key}'] = value.detach()
        if local_module in self._unproven:
            check_gradients(bare, local_module)
            self._unproven.discard(local_module)
        if (
            isinstance(model, LocalDistributedDataParallel)
            and self.should_sync()
        ):
            self._reductions.append(model.reduce_gradients(local_module))
        if self.step_each_module:
            self._report_local_losses()
            self._finish_reductions()
            with outside_autocast(loss.device.type):
                step_module(
                    self.optimizer,
                    self._parameters[local_module],
                    local_module.name,
                )
        return loss.detach()

    def update_params(self, loss: Tensor, *args, **kwargs) -> None:
        """As the host, after the local losses are logged and checked."""
        names = [m.boundary.name for m in self._unproven if m.training]
        if names and self.only is None:
            raise RuntimeError(
                '`local_modules` should all have had their loss in the first '
                f'iteration, but got none at {names}. Replace '
                'activation_checkpointing in the config by with_cp=True of '
                'the backbone.'
            )
        self._report_local_losses()
        super().update_params(loss, *args, **kwargs)

    def step(self, **kwargs) -> None:
        """As the host, once the gradients of all processes are in."""
        self._finish_reductions()
        if self.step_each_module:
            check_others(
                self.optimizer, self._last_parameters, 'the last local module'
            )
        super().step(**kwargs)

    def _finish_reductions(self) -> None:
        for finish in self._reductions:
            finish()
        self._reductions = []

    def _report_local_losses(self) -> None:
        if not self._local_losses:
            return
        # one transfer for all, not one each
        values = torch.stack(
            [value.float() for value in self._local_losses.values()]
        ).tolist()
        changed = (
            'Only local modules before it were'
            if self.step_each_module
            else 'No parameter was'
        )
        clip = '' if self.step_each_module else 'with clip_grad, '
        # each term before their sum, so that the message names the term
        for key, value in sorted(zip(self._local_losses, values), key=_is_sum):
            if not math.isfinite(value):
                name, key = key.split('.', 1)
                raise FloatingPointError(
                    f'`{key}` of {name} should be finite, but got {value}. '
                    f'{changed} changed in this iteration: resume '
                    'from a checkpoint before it with a lower learning rate, '
                    f'{clip}or without AMP.'
                )
            self.message_hub.update_scalar(f'train/{key}', value)
        self._local_losses = {}


def _is_sum(item: tuple[str, float]) -> bool:
    return item[0].endswith('.loss')


@OPTIM_WRAPPERS.register_module()
class LocalOptimWrapper(LocalBackwardMixin, OptimWrapper):
    """mmengine's :class:`OptimWrapper` for a locally supervised model.

    Accumulates and clips gradients as it does. See
    :class:`LocalBackwardMixin` for what happens in one iteration.

    Args:
        *args: As the host.
        step_each_module (bool): Whether to step and zero each local module
            right after its backward, so that the gradients of one live at a
            time. The parameters are the same, bit by bit, with an optimizer
            that keeps nothing but the state of each parameter, as SGD and
            AdamW do. Not with ``clip_grad`` or ``accumulative_counts``.
            Defaults to False: one step for all.
        **kwargs: As the host.

    Raises:
        ValueError: If ``step_each_module`` does not go with the rest; of an
            optimizer that shows in the first iteration.
    """

    def __init__(
        self, *args: Any, step_each_module: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.step_each_module = step_each_module
        if step_each_module:
            check_settings(self)


@OPTIM_WRAPPERS.register_module()
class LocalAmpOptimWrapper(LocalBackwardMixin, AmpOptimWrapper):
    """mmengine's :class:`AmpOptimWrapper` for a locally supervised model.

    All local losses and the last module's share one loss scale. On a CPU,
    where the host refuses, it runs in bfloat16 without a loss scale. mmcv's
    compiled ops, which know no bfloat16, run in float32.

    Args:
        loss_scale (str | float | dict): As the host. Defaults to 'dynamic'.
        dtype (str | torch.dtype, optional): As the host. Defaults to None:
            float16 on a GPU, bfloat16 on a CPU.
        step_each_module (bool): As :class:`LocalOptimWrapper`; not with a
            loss scale. Defaults to False.
        **kwargs: As the host.

    Raises:
        ValueError: On a CPU with a dtype other than bfloat16; and as
            :class:`LocalOptimWrapper`.
    """

    def __init__(
        self,
        loss_scale: Union[str, float, dict] = 'dynamic',
        dtype: Optional[Union[str, torch.dtype]] = None,
        step_each_module: bool = False,
        **kwargs,
    ) -> None:
        if get_device() == 'cpu':
            self._init_on_cpu(dtype, **kwargs)
        else:
            super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
        self.step_each_module = step_each_module
        if step_each_module:
            check_settings(self)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """As without mixed precision, under autocast."""
        with adapted_compiled_ops(), super().optim_context(model):
            yield

    def backward(self, loss: Tensor, **kwargs) -> None:
        """As the host."""
        with adapted_compiled_ops():
            super().backward(loss, **kwargs)

    def _init_on_cpu(
        self, dtype: Optional[Union[str, torch.dtype]], **kwargs
    ) -> None:
        if dtype not in (None, 'bfloat16', torch.bfloat16):
            raise ValueError(
                f"`dtype` should be 'bfloat16' on a CPU, but got {dtype!r}. "
                'Leave it out, or train on a GPU.'
            )
        # The host's __init__ does what follows, after it refused CPUs.
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', enabled=False)
        self.cast_dtype = torch.bfloat16
