"""mmengine's optimizer wrappers, with local backwards."""

from typing import Any, Optional, Union

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS

from ..hosts import let_compiled_ops_take_bfloat16
from ..upstream import set_scale_update
from .checks.module_step_check import check_settings
from .local_backward import LocalBackwardMixin

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
        **kwargs: Its keyword arguments.

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
    compiled ops, none of which knows bfloat16, then run in float32.

    Args:
        loss_scale (str | float | dict): ``'dynamic'``, a fixed scale, or
            arguments of torch's ``GradScaler``. Defaults to 'dynamic'.
        dtype (str | torch.dtype, optional): Precision of the forward pass.
            Defaults to None: float16 on a GPU, bfloat16 on a CPU.
        step_each_module (bool): See :class:`LocalOptimWrapper`; it does not
            go with a loss scale. Defaults to False.
        **kwargs: Further arguments of :class:`AmpOptimWrapper`.

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
        if self.cast_dtype == torch.bfloat16:
            let_compiled_ops_take_bfloat16()
        self.step_each_module = step_each_module
        if step_each_module:
            check_settings(self)

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
        set_scale_update(self, None)
        self.loss_scaler = torch.amp.GradScaler('cpu', enabled=False)
        self.cast_dtype = torch.bfloat16
