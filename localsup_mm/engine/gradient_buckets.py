"""Averaging gradients over processes, in buckets of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ['average_gradients']


def average_gradients(
    parameters: Sequence[nn.Parameter],
    bucket_bytes: float,
    group: Any,
    find_unused: bool = False,
) -> Callable[[], None]:
    """Start to average gradients over all processes.

    A bucket is on its way as soon as it is filled. The gradients in it become
    its parts, so that a second copy lives of one bucket at a time.

    Args:
        parameters (Sequence[nn.Parameter]): The same in all processes. One
            without a gradient gets zeros, since another process may have
            used it; one that is frozen is left out.
        bucket_bytes (float): Bytes of a bucket at most; a larger parameter
            has one to itself.
        group (Any): The process group.
        find_unused (bool): Whether one that no process has used ends without
            a gradient; a number for each parameter is sent, too. Defaults to
            False: it gets zeros.

    Returns:
        Callable: Waits until ``.grad`` holds the averages.
    """
    pending = []
    unused: list[tuple[nn.Parameter, Tensor]] = []
    learning = [p for p in parameters if p.requires_grad]
    for bucket in _fill_buckets(learning, bucket_bytes):
        is_used = [p.grad is not None for p in bucket]
        for parameter in bucket:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        sent = [p.grad.flatten() for p in bucket]
        if find_unused:
            sent.append(sent[0].new_tensor(is_used))
        flat = torch.cat(sent)
        flat /= dist.get_world_size(group)
        parts = flat.split([part.numel() for part in sent])
        for parameter, part in zip(bucket, parts):
            parameter.grad = part.view_as(parameter)
        if find_unused:
            flags = zip(bucket, parts[-1], is_used)
            unused += [(p, flag) for p, flag, is_own in flags if not is_own]
        pending.append(dist.all_reduce(flat, group=group, async_op=True))

    def finish() -> None:
        for work in pending:
            work.wait()
        for parameter, flag in unused:
            if flag == 0:
                parameter.grad = None

    return finish


def _fill_buckets(
    parameters: Sequence[nn.Parameter], bucket_bytes: float
) -> Iterator[list]:
    """Yield those of one type that fit into a bucket; the last ones first.

    A backward comes to them in this order.
    """
    by_dtype: dict[torch.dtype, list] = {}
    for parameter in reversed(parameters):
        by_dtype.setdefault(parameter.dtype, []).append(parameter)
    for group in by_dtype.values():
        bucket: list = []
        size = 0
        for parameter in group:
            if bucket and size + parameter.nbytes > bucket_bytes:
                yield bucket
                bucket, size = [], 0
            bucket.append(parameter)
            size += parameter.nbytes
        yield bucket
