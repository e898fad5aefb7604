"""Hooks of mmengine's Runner."""

from .peak_memory_hook import PeakMemoryHook
from .reconstruction_hook import ReconstructionHook, reconstruct
from .setup_check_hook import SetupCheckHook

__all__ = [
    'PeakMemoryHook',
    'ReconstructionHook',
    'SetupCheckHook',
    'reconstruct',
]
