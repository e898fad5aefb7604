"""Messages from one process to another, in order, by threads of their own."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any, NoReturn, Optional, Union

import torch
import torch.distributed as dist
from torch import Tensor

from .packet import Packet, pack, unpack

__all__ = ['Receiver', 'Sender', 'broadcast_message']

_END = -1
_SECONDS = 1.0  # after which a full queue looks whether its thread lives


class Sender:
    """Sends messages to another process while this one goes on.

    Args:
        rank (int): The other process.
        group (dist.ProcessGroup): A group of gloo that nobody else uses.
        size (int): How many messages may wait to be sent; :meth:`put` waits
            while there are so many. 0 is any number.
    """

    def __init__(self, rank: int, group: dist.ProcessGroup, size: int) -> None:
        self._rank, self._group = rank, group
        self._error: Optional[BaseException] = None
        self._queue: queue.Queue[Optional[Packet]] = queue.Queue(size)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, message: Any) -> None:
        """Send a message, a copy of which is taken at once.

        Args:
            message (Any): Anything that :func:`pack` takes.

        Raises:
            RuntimeError: If the other process has ended.
        """
        self._put(pack(message))

    def close(self) -> None:
        """Say that there are no more messages, and wait until all are sent."""
        self._put(None)
        self._thread.join()
        if self._error is not None:
            _raise_ended(self._rank, self._error)

    def _put(self, packet: Optional[Packet]) -> None:
        while True:
            if self._error is not None:
                _raise_ended(self._rank, self._error)
            try:
                return self._queue.put(packet, timeout=_SECONDS)
            except queue.Full:
                pass

    def _run(self) -> None:
        try:
            while (packet := self._queue.get()) is not None:
                parts = [packet.header, packet.on_cpu, packet.on_device]
                self._send(torch.tensor([part.numel() for part in parts]))
                for part in parts:
                    if part.numel():
                        self._send(part.cpu())
            self._send(torch.tensor([_END, 0, 0]))
        except BaseException as error:
            self._error = error

    def _send(self, tensor: Tensor) -> None:
        try:
            dist.send(tensor, self._rank, self._group)
        except RuntimeError as error:
            raise _Ended(str(error)) from error


class Receiver:
    """Receives messages of another process while this one goes on.

    Args:
        rank (int): The other process.
        group (dist.ProcessGroup): The group of its :class:`Sender`.
        size (int): How many received messages may wait to be taken. 0 is any
            number.
        device (torch.device): Where tensors go that were on a GPU.
    """

    def __init__(
        self,
        rank: int,
        group: dist.ProcessGroup,
        size: int,
        device: torch.device,
    ) -> None:
        self._rank, self._group, self._device = rank, group, device
        self._queue: queue.Queue[Union[Packet, BaseException]]
        self._queue = queue.Queue(size)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self) -> Any:
        """Wait for the next message.

        Returns:
            Any: The message.

        Raises:
            RuntimeError: If the other process has ended.
        """
        return self._unpack(self._queue.get())

    def take_all(self) -> list:
        """Take the messages that are there.

        Returns:
            list: The messages, in order.

        Raises:
            RuntimeError: If the other process has ended by an error.
        """
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._unpack(self._queue.get_nowait()))
        return found

    def close(self) -> None:
        """Pass over what is left until the other one says that it is all."""
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._queue.get(timeout=0.1)

    def _unpack(self, item: Union[Packet, BaseException]) -> Any:
        if isinstance(item, BaseException):
            _raise_ended(self._rank, item)
        return unpack(item, self._device)

    def _run(self) -> None:
        try:
            while True:
                sizes = self._receive(torch.empty(3, dtype=torch.int64))
                if sizes[0] == _END:
                    raise _Ended('there are no more messages')
                parts = [torch.empty(n, dtype=torch.uint8) for n in sizes]
                for part in parts:
                    if part.numel():
                        self._receive(part)
                self._queue.put(Packet(*parts))
        except BaseException as error:
            self._queue.put(error)

    def _receive(self, tensor: Tensor) -> Tensor:
        try:
            dist.recv(tensor, self._rank, self._group)
        except RuntimeError as error:
            raise _Ended(str(error)) from error
        return tensor


def broadcast_message(
    message: Any,
    rank: int,
    group: dist.ProcessGroup,
    device: torch.device,
) -> Any:
    """Send a message to all processes, which call this at the same time.

    Args:
        message (Any): Anything that :func:`pack` takes; that of
            ``rank`` counts.
        rank (int): The process that sends it.
        group (dist.ProcessGroup): A group of gloo.
        device (torch.device): Where tensors go that were on a GPU.

    Returns:
        Any: The message.
    """
    is_mine = dist.get_rank() == rank
    sizes = torch.zeros(3, dtype=torch.int64)
    parts: list[Tensor] = []
    if is_mine:
        packet = pack(message)
        parts = [packet.header, packet.on_cpu, packet.on_device.cpu()]
        sizes = torch.tensor([part.numel() for part in parts])
    dist.broadcast(sizes, rank, group)
    if not is_mine:
        parts = [torch.empty(n, dtype=torch.uint8) for n in sizes]
    for part in parts:
        if part.numel():
            dist.broadcast(part, rank, group)
    return message if is_mine else unpack(Packet(*parts), device)


class _Ended(Exception):
    """The other process does not send or receive any more."""


def _raise_ended(rank: int, error: BaseException) -> NoReturn:
    if not isinstance(error, _Ended):
        raise error  # of this process
    raise RuntimeError(
        f'process {rank} should go on as long as this one, but it has ended '
        f'({error}). Its own output says why.'
    ) from error
