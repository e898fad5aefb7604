"""The backward of an op whose forward is plain PyTorch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .precision import widen

__all__ = ['write_gradients']


def write_gradients(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad_output: Tensor,
    grad_inputs: Sequence[Tensor],
) -> None:
    """Run a function once more and write the gradients of its inputs.

    mmcv calls the forward of an op without a graph, and later its backward
    with the same inputs.

    Args:
        function (Callable): The forward, of `inputs` alone.
        inputs (Sequence[Tensor]): The inputs that get a gradient.
        grad_output (Tensor): The gradient of the output.
        grad_inputs (Sequence[Tensor]): What the gradients are written into.
    """
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in widen(*inputs)]
        output = function(*inputs)
    grads = torch.autograd.grad(output, inputs, grad_output.to(output.dtype))
    for grad_input, grad in zip(grad_inputs, grads):
        grad_input.copy_(grad)
