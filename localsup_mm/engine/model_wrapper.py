"""Data-parallel training of local modules."""

from collections.abc import Callable
from typing import Optional

import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from ..errors import SetupError
from ..supervision import LocalModule, local_parameters
from ..upstream import leave_out_of_ddp
from .gradient_buckets import average_gradients
from .ranks_agree import check_same_model

__all__ = ['LocalDistributedDataParallel', 'unwrap_model']


@MODEL_WRAPPERS.register_module()
class LocalDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's DDP, with local modules that average their own gradients.

    A local backward runs inside the wrapped forward, where DDP's reducer
    does not expect it. So DDP only sees the last local module, neck and
    heads; the gradients of an earlier one are averaged by a reduction of
    their own, which overlaps with the forward pass of those behind it. No
    unused-parameter search is needed, and the hosts' ``with_cp`` works. Where
    a process may leave parameters unused, ``find_unused_parameters=True``
    lets those that all have left so be without a gradient, as in torch.

    Use it by ``model_wrapper_cfg=dict(type='LocalDistributedDataParallel')``.

    Args:
        module (nn.Module): The model.
        bucket_cap_mb (float, optional): Gradients are sent in buckets of so
            many MiB at most, those of local modules like DDP's own; a larger
            parameter has one to itself. What is sent lives twice, one bucket
            at a time. Defaults to None: 25, and torch's default for DDP.
        **kwargs: Further arguments of mmengine's wrapper. Buffers are not
            broadcast by default, as those of the Runner's are not.

    Attributes:
        allows_local_backward (bool): Whether a wrapper is made for backwards
            within the forward pass.
    """

    allows_local_backward = True

    def __init__(
        self,
        module: nn.Module,
        bucket_cap_mb: Optional[float] = None,
        **kwargs,
    ) -> None:
        check_same_model(module)
        self_reduced = local_parameters(module)
        ids = {id(p) for ps in self_reduced.values() for p in ps}
        leave_out_of_ddp(
            module, [n for n, p in module.named_parameters() if id(p) in ids]
        )
        if not any(p.is_cuda for p in module.parameters()):
            kwargs.pop('device_ids', None)  # the Runner sets it, CPU or not
        kwargs.setdefault('broadcast_buffers', False)  # as the Runner does
        if bucket_cap_mb is not None and not bucket_cap_mb > 0:
            raise SetupError(
                '`bucket_cap_mb` should be above 0, the MiB of gradients '
                f'that are sent together, but got {bucket_cap_mb}. Leave it '
                'out for 25.'
            )
        if bucket_cap_mb is not None:
            kwargs['bucket_cap_mb'] = bucket_cap_mb
        super().__init__(module=module, **kwargs)
        self._bucket_bytes = (bucket_cap_mb or 25) * 2**20
        self._self_reduced = self_reduced
        # DDP makes all processes start alike, but for what it ignores.
        for parameters in self_reduced.values():
            for parameter in parameters:
                dist.broadcast(parameter.data, 0, group=self.process_group)

    def reduce_gradients(
        self, local_module: LocalModule
    ) -> Callable[[], None]:
        """Start to average the gradients of a local module.

        Args:
            local_module (LocalModule): One whose backward is done.

        Returns:
            Callable: Waits until ``.grad`` holds the averages.
        """
        return average_gradients(
            self._self_reduced[local_module],
            self._bucket_bytes,
            self.process_group,
            self.find_unused_parameters,
        )


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the model itself, which a wrapper for distribution may hold.

    Args:
        model (nn.Module): The model, wrapped or not.

    Returns:
        nn.Module: The bare model.
    """
    return model.module if is_model_wrapper(model) else model
