"""Anything that goes from one process to another, as bytes."""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import torch
from torch import Tensor

__all__ = ['Packet', 'pack', 'unpack']

_ALIGNMENT = 64  # bytes, as torch's own tensors have


@dataclass
class Packet:
    """A message as bytes.

    Args:
        header (Tensor): All but the values of tensors, pickled; uint8.
        on_cpu (Tensor): Values of the tensors on the CPU, one behind the
            other; uint8.
        on_device (Tensor): Those of tensors on a GPU; uint8.
    """

    header: Tensor
    on_cpu: Tensor
    on_device: Tensor


def pack(message: Any) -> Packet:
    """Pack a message, with a copy of all tensors in it.

    Args:
        message (Any): Anything that can be pickled, with tensors in it. They
            lose their graph and keep the order of their dimensions in memory.

    Returns:
        Packet: It changes no more, whatever becomes of the message.
    """
    stream = io.BytesIO()
    pickler = _TensorPickler(stream)
    pickler.dump(message)
    sizes = {False: 0, True: 0}
    metas, parts = [], []
    for tensor in pickler.tensors:
        order = sorted(range(tensor.dim()), key=tensor.stride, reverse=True)
        flat = tensor.permute(order).contiguous().reshape(-1)
        flat = flat.view(torch.uint8)
        start = sizes[tensor.is_cuda]
        sizes[tensor.is_cuda] += -(-flat.numel() // _ALIGNMENT) * _ALIGNMENT
        metas.append(
            (tensor.dtype, tuple(tensor.shape), order, start, tensor.is_cuda)
        )
        parts.append(flat)
    buffers = {
        False: torch.empty(sizes[False], dtype=torch.uint8),
        True: torch.empty(
            sizes[True],
            dtype=torch.uint8,
            device='cuda' if sizes[True] else 'cpu',
        ),
    }
    for flat, (_, _, _, start, is_cuda) in zip(parts, metas):
        buffers[is_cuda][start : start + flat.numel()] = flat
    header = bytearray(pickle.dumps((stream.getvalue(), metas)))
    return Packet(
        torch.frombuffer(header, dtype=torch.uint8),
        buffers[False],
        buffers[True],
    )


def unpack(packet: Packet, device: Union[str, torch.device]) -> Any:
    """Unpack a message.

    Args:
        packet (Packet): The result of :func:`pack`, in this process or in
            another one that is trusted: it is unpickled.
        device (str | torch.device): Where tensors go that were on a GPU.

    Returns:
        Any: The message. Its tensors share memory, but count their changes
        in place each for itself.
    """
    message, metas = pickle.loads(packet.header.numpy().tobytes())
    buffers = {False: packet.on_cpu, True: packet.on_device}
    if buffers[True].numel():
        buffers[True] = buffers[True].to(device)
    tensors = []
    for dtype, shape, order, start, is_cuda in metas:
        strides = [0] * len(shape)
        step = 1
        for dim in reversed(order):
            strides[dim] = step
            step *= max(shape[dim], 1)
        storage = buffers[is_cuda].untyped_storage()
        tensor = torch.empty(0, dtype=dtype, device=buffers[is_cuda].device)
        tensor.set_(storage, start // tensor.itemsize, shape, strides)
        tensors.append(tensor)
    return _TensorUnpickler(io.BytesIO(message), tensors).load()


class _TensorPickler(pickle.Pickler):
    """Pickle all but tensors, which are listed."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> Any:
        """Give the place of a tensor in the list."""
        if not isinstance(obj, Tensor):
            return None
        if id(obj) not in self._places:
            self._places[id(obj)] = len(self.tensors)
            self.tensors.append(obj.detach())
        return self._places[id(obj)]


class _TensorUnpickler(pickle.Unpickler):
    """Unpickle with tensors of a list."""

    def __init__(self, stream: io.BytesIO, tensors: Sequence[Tensor]) -> None:
        super().__init__(stream)
        self._tensors = tensors

    def persistent_load(self, pid: Any) -> Tensor:
        """Find a tensor by its place in the list."""
        return self._tensors[pid]
