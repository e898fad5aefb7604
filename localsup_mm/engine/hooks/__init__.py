"""Hooks of mmengine's Runner."""

from .peak_memory_hook import PeakMemoryHook
from .reconstruction_hook import ReconstructionHook, reconstruct
from .safe_checkpoint_hook import AtomicLocalBackend, SafeCheckpointHook
from .setup_check_hook import SetupCheckHook

__all__ = [
    'AtomicLocalBackend',
    'PeakMemoryHook',
    'ReconstructionHook',
    'SafeCheckpointHook',
    'SetupCheckHook',
    'reconstruct',
]
