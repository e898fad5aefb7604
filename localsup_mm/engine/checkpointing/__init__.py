"""Checkpoints: written whole, read without running code, resumed exactly."""

from .check_weights import check_weights
from .export_checkpoint import export_checkpoint, strip_checkpoint
from .find_resumable import check_resumable, find_resumable
from .load_inert import weights_suffice
from .read_checkpoint import read_checkpoint, read_weights
from .safe_checkpoint_hook import AtomicLocalBackend, SafeCheckpointHook
from .write_checkpoint import check_destination, write_checkpoint

__all__ = [
    'AtomicLocalBackend',
    'SafeCheckpointHook',
    'check_destination',
    'check_resumable',
    'check_weights',
    'export_checkpoint',
    'find_resumable',
    'read_checkpoint',
    'read_weights',
    'strip_checkpoint',
    'weights_suffice',
    'write_checkpoint',
]
