"""Memory of a training iteration, before it runs."""

from .peak_memory import peak_memory, train_step

__all__ = ['peak_memory', 'train_step']
