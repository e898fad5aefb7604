"""Forward passes that end with the loss of a local module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn

from ..replaced_method import replaced_method

__all__ = ['ForwardEnded', 'ending_forward']


class ForwardEnded(Exception):
    """The end of a forward pass, before the model's own; not an error.

    Args:
        loss (Tensor, optional): The loss with which it ends, whose gradients
            are there already. Defaults to None: there is none.
    """

    def __init__(self, loss: Optional[Tensor] = None) -> None:
        super().__init__(loss)
        self.loss = torch.zeros(()) if loss is None else loss


@contextmanager
def ending_forward(model: nn.Module) -> Iterator[None]:
    """Let a model return the loss with which its forward pass ends.

    Args:
        model (nn.Module): The bare model.

    Yields:
        None: While it does so.
    """
    forward = partial(_forward_to_loss, model.forward)
    with replaced_method(model, 'forward', forward):
        yield


def _forward_to_loss(forward: Callable, *args: Any, **kwargs: Any) -> Any:
    try:
        return forward(*args, **kwargs)
    except ForwardEnded as end:
        # a leaf, which the host sums, scales and goes back from as from any
        # loss; the gradients of the local module are there already
        return dict(loss=end.loss.detach().requires_grad_())
