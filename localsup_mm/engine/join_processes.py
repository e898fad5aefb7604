"""Processes that start together, and those that do not come or that hang."""

import logging
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import torch.distributed as dist
from mmengine.logging import print_log

from ..errors import SetupError
from ..upstream import find_default_store

__all__ = ['hanging_processes_named', 'join_processes']


# what torchrun sets
_VARIABLES = ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')

# how gloo says that a process has waited for others
_TIMEOUT = 'Timed out waiting|pplication timeout'

# how long processes on CPUs wait for each other, once they have joined
_joined = SimpleNamespace(timeout=None)


def join_processes(timeout: timedelta, patience: float = 60.0) -> None:
    """Join the processes that torchrun, or its variables, started on CPUs.

    Args:
        timeout (timedelta): How long to wait for each other, now and in
            training.
        patience (float): Seconds after which a warning says who is missing,
            and again each time. Defaults to 60.0.

    Raises:
        SetupError: If the variables are not set, the port is in use, or a
            process is missing; it says which.
    """
    unset = [name for name in _VARIABLES if name not in os.environ]
    if unset:
        raise SetupError(
            '`--launcher pytorch` should be given by torchrun or '
            'tools/dist_train.sh, which set the variables of each process, '
            f'but got no {", ".join(unset)}. Start it by one of them.'
        )
    rank, number = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])
    host, port = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])
    is_hosted = os.environ.get('TORCHELASTIC_USE_AGENT_STORE') == 'True'
    try:
        store = dist.TCPStore(
            host,
            port,
            number,
            rank == 0 and not is_hosted,
            timeout,
            wait_for_workers=False,
        )
    except RuntimeError as error:
        if 'EADDRINUSE' in str(error):
            raise SetupError(
                f'`MASTER_PORT` should be a free port, but {port} is in use. '
                'Set another one (PORT for tools/dist_train.sh).'
            ) from error
        if rank == 0:
            raise
        raise SetupError(
            f'process 0 should listen at {host}:{port}, but nobody did within '
            f'{_describe(timeout)}. See whether it has started, and '
            'MASTER_ADDR and MASTER_PORT.'
        ) from error
    # those that torchrun starts anew have others to wait for
    attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
    store = dist.PrefixStore(f'localsup/{attempt}', store)
    missing = _call_roll(store, 'joined', rank, number, timeout, patience)
    if missing:
        raise SetupError(
            f'all {number} processes should start, but {_name(missing)} did '
            f'not come within {_describe(timeout)}. See why it has not '
            'started; WORLD_SIZE, or NNODES and GPUS, says how many there '
            'are.'
        )
    dist.init_process_group(
        'gloo', store=store, rank=rank, world_size=number, timeout=timeout
    )
    _joined.timeout = timeout


@contextmanager
def hanging_processes_named(spread: float = 20.0) -> Iterator[None]:
    """Say which processes hang, where others have waited too long for them.

    Of nccl, which ends its process by itself, torch's message remains.

    Args:
        spread (float): Seconds within which all who wait for the same one
            give up. Defaults to 20.0.

    Yields:
        None: While they train.

    Raises:
        RuntimeError: In those that have waited.
    """
    try:
        yield
    except RuntimeError as error:
        is_timeout = re.search(_TIMEOUT, str(error))
        if _joined.timeout is None or not is_timeout:
            raise
        rank, number = dist.get_rank(), dist.get_world_size()
        # whoever waited, too, says so here
        missing = _call_roll(
            find_default_store(),
            'localsup_timed_out',
            rank,
            number,
            timedelta(seconds=spread),
        )
        if not missing:
            raise
        limit = _describe(_joined.timeout)
        raise RuntimeError(
            f'all processes should go on together, but {_name(missing)} did '
            f'not answer within {limit}. See what it does (py-spy dump); if '
            'it only needs longer, set env_cfg.dist_cfg.timeout, in seconds. '
            'Go on with --resume.'
        ) from error


def _call_roll(
    store: dist.Store,
    occasion: str,
    rank: int,
    number: int,
    timeout: timedelta,
    patience: float = math.inf,
) -> list[int]:
    """Say that this process is here, and return who is not in time."""
    store.set(f'{occasion}/{rank}', 'here')
    missing = [*range(number)]
    start = time.monotonic()
    next_warning = start + patience
    while True:
        missing = [r for r in missing if not store.check([f'{occasion}/{r}'])]
        now = time.monotonic()
        if not missing or now - start > timeout.total_seconds():
            return missing
        if now > next_warning:
            next_warning += patience
            print_log(
                f'Waiting for {_name(missing)} of {number}.',
                logger='current',
                level=logging.WARNING,
            )
        time.sleep(0.1)


def _name(ranks: list[int]) -> str:
    words = ', '.join(map(str, ranks)) or 'none'
    return f'process{"es" if len(ranks) > 1 else ""} {words}'


def _describe(time_limit: timedelta) -> str:
    return f'{time_limit.total_seconds() / 60:.3g} minutes'
