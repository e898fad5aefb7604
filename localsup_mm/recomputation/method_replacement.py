"""Another function in the place of a method of a module."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..upstream import not_compiled

__all__ = ['MethodReplacement']


class MethodReplacement(ABC):
    """Takes the place of a method of a module where gradients are wanted.

    Without gradients the method itself runs. A deep copy of the module has a
    replacement of its own.

    Args:
        module (nn.Module): The module.
        method (Callable): Its method, e.g. ``forward``.
        name (str): Its name in the model, for messages.

    Attributes:
        has_run (bool): Whether it has run at least once with gradients.
    """

    def __init__(self, module: nn.Module, method: Callable, name: str) -> None:
        self.module = module
        self.name = name
        self.has_run = False
        # by this name inspect.signature finds the arguments
        self.__wrapped__ = method

    @not_compiled
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run what takes the place of the method, or the method."""
        if not torch.is_grad_enabled():
            return self.__wrapped__(*args, **kwargs)
        self.has_run = True
        return self.run(*args, **kwargs)

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run what takes the place of the method, with gradients.

        Args:
            *args (Any): Arguments of the method.
            **kwargs (Any): Further arguments of the method.

        Returns:
            Any: The results of the method.
        """
