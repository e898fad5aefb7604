"""Loops of mmengine's Runner."""

from .asynchronous_train_loop import AsynchronousTrainLoop
from .single_module_step import SingleModuleStep

__all__ = ['AsynchronousTrainLoop', 'SingleModuleStep']
