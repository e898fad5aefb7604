"""Hooks of mmengine's Runner."""

from .peak_memory_hook import PeakMemoryHook
from .recompute_hook import RecomputeHook
from .reconstruction_hook import ReconstructionHook, reconstruct
from .setup_check_hook import SetupCheckHook

__all__ = [
    'PeakMemoryHook',
    'RecomputeHook',
    'ReconstructionHook',
    'SetupCheckHook',
    'reconstruct',
]
