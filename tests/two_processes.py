"""A function in two processes, or more, that gloo connects."""

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from processes import ROOT


def run_two_processes(function: Callable, *args: Any) -> None:
    """Call ``function(rank, *args)`` in each of two processes."""
    run_processes(2, function, *args)


def run_processes(number: int, function: Callable, *args: Any) -> None:
    """Call ``function(rank, *args)`` in each of so many processes."""
    start_server()
    mp.start_processes(
        _run,
        args=(find_port(), number, function, args),
        nprocs=number,
        start_method='forkserver',
    )


def start_server() -> None:
    """Start what they are forked from, where it finds its imports."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['cases'])
    before = os.environ.get('PYTHONPATH')
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), *sys.path])
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ['PYTHONPATH']
        else:
            os.environ['PYTHONPATH'] = before


def find_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def join(rank: int, port: int, number: int = 2) -> None:
    """Let this process be one of so many."""
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        WORLD_SIZE=str(number),
        LOCAL_RANK=str(rank),
    )
    dist.init_process_group('gloo', rank=rank, world_size=number)


def _run(
    rank: int, port: int, number: int, function: Callable, args: tuple
) -> None:
    join(rank, port, number)
    function(rank, *args)
    dist.barrier()
    dist.destroy_process_group()
