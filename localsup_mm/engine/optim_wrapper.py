"""mmengine's optimizer wrappers, with local backwards."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Optional, Union

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from ..hosts import let_compiled_ops_take_bfloat16
from ..upstream import set_scale_update
from .checks.module_step_check import check_settings
from .local_backward import LocalBackwardMixin
from .nonfinite_guard import NonfiniteGuard

__all__ = [
    'AMP_FORMS',
    'LOCAL_FORMS',
    'LocalAmpOptimWrapper',
    'LocalOptimWrapper',
]

# types of a config to those that train in mixed precision, too
AMP_FORMS = {
    'OptimWrapper': 'AmpOptimWrapper',
    'LocalOptimWrapper': 'LocalAmpOptimWrapper',
}
# types of a host's config to those that train local modules, too
LOCAL_FORMS = {
    'OptimWrapper': 'LocalOptimWrapper',
    'AmpOptimWrapper': 'LocalAmpOptimWrapper',
}


@OPTIM_WRAPPERS.register_module()
class LocalOptimWrapper(LocalBackwardMixin, OptimWrapper):
    """mmengine's :class:`OptimWrapper` for a locally supervised model.

    It accumulates and clips gradients as mmengine does. See
    :class:`LocalBackwardMixin` for what happens in one iteration.

    Args:
        *args: Arguments of :class:`OptimWrapper`: the ``optimizer``,
            ``accumulative_counts`` (int) and ``clip_grad`` (dict) are the
            common ones.
        step_each_module (bool): Whether to step and zero each local module
            right after its backward, so that the gradients of one live at a
            time. The parameters are the same, bit by bit, with an optimizer
            that keeps nothing but the state of each parameter, as SGD and
            AdamW do. Not with ``clip_grad`` or ``accumulative_counts``.
            Defaults to False: one step for all.
        skip_nonfinite (bool): Whether an iteration with a loss that is not
            finite is skipped, with a warning that names it: parameters and
            buffers stay as they are, in all processes. Of iterations that
            accumulate gradients all are. Not with ``step_each_module``.
            Defaults to False: that is an error.
        **kwargs: Its keyword arguments.

    Raises:
        ValueError: If ``step_each_module`` does not go with the rest; of an
            optimizer that shows in the first iteration.
    """

    def __init__(
        self,
        *args: Any,
        step_each_module: bool = False,
        skip_nonfinite: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        _set_ways(self, step_each_module, skip_nonfinite)


@OPTIM_WRAPPERS.register_module()
class LocalAmpOptimWrapper(LocalBackwardMixin, AmpOptimWrapper):
    """mmengine's :class:`AmpOptimWrapper` for a locally supervised model.

    All local losses and the last module's share one loss scale: an overflow
    in one of them skips the step of all and lowers it once. On a CPU, where
    the host refuses, it runs in bfloat16 without a loss scale, or in float16
    with one. mmcv's compiled ops, none of which knows bfloat16, then run in
    float32.

    Args:
        loss_scale (str | float | dict): ``'dynamic'``, a fixed scale, or
            arguments of torch's ``GradScaler``. Defaults to 'dynamic'.
        dtype (str | torch.dtype, optional): Precision of the forward pass.
            Defaults to None: float16 on a GPU, bfloat16 on a CPU.
        step_each_module (bool): See :class:`LocalOptimWrapper`; it does not
            go with a loss scale. Defaults to False.
        skip_nonfinite (bool): See :class:`LocalOptimWrapper`. Defaults to
            False.
        **kwargs: Further arguments of :class:`AmpOptimWrapper`.

    Raises:
        ValueError: On a CPU with a dtype other than these two; and as
            :class:`LocalOptimWrapper`.
    """

    _dtype_on_cpu: Optional[torch.dtype] = None

    def __init__(
        self,
        loss_scale: Union[str, float, dict] = 'dynamic',
        dtype: Optional[Union[str, torch.dtype]] = None,
        step_each_module: bool = False,
        skip_nonfinite: bool = False,
        **kwargs,
    ) -> None:
        if get_device() == 'cpu':
            self._init_on_cpu(loss_scale, dtype, **kwargs)
        else:
            super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
        if self.cast_dtype == torch.bfloat16:
            let_compiled_ops_take_bfloat16()
        _set_ways(self, step_each_module, skip_nonfinite)

    def _init_on_cpu(
        self,
        loss_scale: Union[str, float, dict],
        dtype: Optional[Union[str, torch.dtype]],
        **kwargs,
    ) -> None:
        known = {'bfloat16': torch.bfloat16, 'float16': torch.float16}
        dtype = known.get(dtype or 'bfloat16', dtype)  # type: ignore
        if dtype not in known.values():
            raise ValueError(
                f"`dtype` should be 'bfloat16' or 'float16' on a CPU, but got "
                f'{dtype!r}. Leave it out, or train on a GPU.'
            )
        # The host's __init__ does what follows, after it refused CPUs.
        OptimWrapper.__init__(self, **kwargs)
        settings: dict[str, Any] = {}
        if isinstance(loss_scale, dict):
            settings.update(loss_scale)
        fixed = None
        if isinstance(loss_scale, (int, float)):
            fixed = settings['init_scale'] = float(loss_scale)
        settings.setdefault('enabled', dtype == torch.float16)
        set_scale_update(self, fixed)
        self.loss_scaler = torch.amp.GradScaler('cpu', **settings)
        self.cast_dtype = torch.bfloat16  # the host takes no other
        self._dtype_on_cpu = dtype

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter mmengine's context, which on a CPU knows bfloat16 only.

        Args:
            model (nn.Module): The model, wrapped for distribution or not.

        Yields:
            None: For the time of the forward pass.
        """
        with ExitStack() as stack:
            stack.enter_context(super().optim_context(model))
            if self._dtype_on_cpu is not None:
                stack.enter_context(
                    torch.autocast('cpu', dtype=self._dtype_on_cpu)
                )
            yield


def _set_ways(
    wrapper: Union[LocalOptimWrapper, LocalAmpOptimWrapper],
    step_each_module: bool,
    skip_nonfinite: bool,
) -> None:
    """Set in what a wrapper differs from the host's, once all else is set."""
    wrapper.step_each_module = step_each_module
    wrapper.guard = NonfiniteGuard() if skip_nonfinite else None
    if step_each_module:
        check_settings(wrapper)
