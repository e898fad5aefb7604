"""A function in several processes that gloo connects.

They are forked from a server that has done the imports, once for all tests.
"""

import multiprocessing
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from localsup_mm.engine import join_processes

FOLDERS = [Path(__file__).parent, Path(__file__).parents[1]]

server = multiprocessing.get_context('forkserver')
server.set_forkserver_preload(['toy_runner', 'asserts', 'cases'])


def ensure_server() -> None:
    """Start it where it finds what it imports first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', os.pathsep.join(map(str, FOLDERS)))
        forkserver.ensure_running()


def run_processes(number: int, function: Callable, *args: Any) -> None:
    """Call ``function(rank, *args)`` in each of several processes."""
    ensure_server()
    mp.start_processes(
        _run,
        args=(number, find_port(), function, args),
        nprocs=number,
        start_method='forkserver',
    )


def find_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def join(rank: int, port: int, number: int = 2, seconds: float = 600) -> None:
    """Let this process be one of several, that wait so long at most."""
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        WORLD_SIZE=str(number),
        LOCAL_RANK=str(rank),
    )
    join_processes(timedelta(seconds=seconds))


def _run(
    rank: int, number: int, port: int, function: Callable, args: tuple
) -> None:
    join(rank, port, number)
    function(rank, *args)
    dist.barrier()
    dist.destroy_process_group()
