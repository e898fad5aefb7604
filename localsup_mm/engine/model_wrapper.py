"""Data-parallel training of local modules."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from mmengine.model import MMDistributedDataParallel, is_model_wrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import nn

from ..supervision import LocalModule, local_parameters
from ..upstream import leave_out_of_ddp
from .ranks_agree import check_same_model

__all__ = ['LocalDistributedDataParallel', 'unwrap_model']


@MODEL_WRAPPERS.register_module()
class LocalDistributedDataParallel(MMDistributedDataParallel):
    """mmengine's DDP, with local modules that average their own gradients.

    A local backward runs inside the wrapped forward, where DDP's reducer
    does not expect it. So DDP only sees the last local module, neck and
    heads; the gradients of an earlier one are averaged by a reduction of
    their own, which overlaps with the forward pass of those behind it. No
    unused-parameter search is needed, and the hosts' ``with_cp`` works.

    Use it by ``model_wrapper_cfg=dict(type='LocalDistributedDataParallel')``.

    Args:
        module (nn.Module): The model.
        **kwargs: Further arguments of mmengine's wrapper. Buffers are not
            broadcast by default, as those of the Runner's are not.

    Attributes:
        allows_local_backward (bool): Whether a wrapper is made for backwards
            within the forward pass.
    """

    allows_local_backward = True

    def __init__(self, module: nn.Module, **kwargs) -> None:
        check_same_model(module)
        self_reduced = local_parameters(module)
        ids = {id(p) for ps in self_reduced.values() for p in ps}
        leave_out_of_ddp(
            module, [n for n, p in module.named_parameters() if id(p) in ids]
        )
        if not any(p.is_cuda for p in module.parameters()):
            kwargs.pop('device_ids', None)  # the Runner sets it, CPU or not
        kwargs.setdefault('broadcast_buffers', False)  # as the Runner does
        super().__init__(module=module, **kwargs)
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
        groups: dict[torch.dtype, list] = {}
        for parameter in self._self_reduced[local_module]:
            if not parameter.requires_grad:
                continue  # frozen since, in all processes
            if parameter.grad is None:
                # used by another process, perhaps: all must send the same
                parameter.grad = torch.zeros_like(parameter)
            groups.setdefault(parameter.dtype, []).append(parameter)
        pending = []
        for group in groups.values():
            flat = torch.cat([p.grad.flatten() for p in group])
            flat /= dist.get_world_size(self.process_group)
            # gradients become its parts, and take no memory of their own
            parts = flat.split([p.numel() for p in group])
            for parameter, part in zip(group, parts):
                parameter.grad = part.view_as(parameter)
            pending.append(
                dist.all_reduce(flat, group=self.process_group, async_op=True)
            )

        def finish() -> None:
            for work in pending:
                work.wait()

        return finish


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the model itself, which a wrapper for distribution may hold.

    Args:
        model (nn.Module): The model, wrapped or not.

    Returns:
        nn.Module: The bare model.
    """
    return model.module if is_model_wrapper(model) else model
