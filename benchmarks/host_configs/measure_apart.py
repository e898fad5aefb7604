"""Measurements in processes of their own that need no imports."""

import gc
import multiprocessing
import resource
import signal
from multiprocessing.connection import Connection
from typing import Any

from measure_config import measure_quietly

__all__ = ['measure_apart']

# its processes are forked from one that has imported these: it takes longer
# to import a host than to plan for most of its configs
_SERVER = multiprocessing.get_context('forkserver')
_SERVER.set_forkserver_preload(
    [
        'localsup_mm.cli.main',
        'mmdet.models',
        'mmpretrain.models',
        'mmseg.models',
        'torch._dynamo',
    ]
)


def measure_apart(name: str, seconds: int) -> dict[str, Any]:
    """Measure a config in a process of its own.

    Args:
        name (str): A config's name, ``'mmseg::...'``, or its path.
        seconds (int): How much time of the CPU it may take.

    Returns:
        dict: See :func:`measure_config.measure`; the verdict is ``'fails'``
        where the process came to an end before.
    """
    receiver, sender = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_send, args=(sender, name, seconds))
    process.start()
    sender.close()
    try:
        record = receiver.recv()
    except EOFError:
        record = None
    process.join()
    if record is not None:
        return record
    message = f'its process ended by itself: exit {process.exitcode}'
    if process.exitcode == -signal.SIGXCPU:
        message = f'it took longer than {seconds} s of the CPU'
    elif process.exitcode == -signal.SIGKILL:
        message = 'it was killed, as where it takes more memory than there is'
    return dict(verdict='fails', message=message)


def _send(sender: Connection, name: str, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    gc.freeze()  # nothing that is imported is garbage
    sender.send(measure_quietly(name))
