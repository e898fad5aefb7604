"""Module parallel training: each process trains one local module."""

from .module_parallel import ModuleParallel
from .module_parallel_runner import ModuleParallelRunner

__all__ = ['ModuleParallel', 'ModuleParallelRunner']
