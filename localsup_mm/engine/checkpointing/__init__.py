"""Checkpoints: written whole, read without running code, resumed exactly."""

from .check_weights import check_weights
from .export_checkpoint import export_checkpoint, strip_checkpoint
from .read_checkpoint import read_checkpoint
from .safe_checkpoint_hook import AtomicLocalBackend, SafeCheckpointHook

__all__ = [
    'AtomicLocalBackend',
    'SafeCheckpointHook',
    'check_weights',
    'export_checkpoint',
    'read_checkpoint',
    'strip_checkpoint',
]
