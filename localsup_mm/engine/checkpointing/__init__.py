"""Checkpoints: written whole, read without running code, resumed exactly."""

from .check_weights import check_weights
from .read_checkpoint import read_checkpoint
from .safe_checkpoint_hook import AtomicLocalBackend, SafeCheckpointHook

__all__ = [
    'AtomicLocalBackend',
    'SafeCheckpointHook',
    'check_weights',
    'read_checkpoint',
]
