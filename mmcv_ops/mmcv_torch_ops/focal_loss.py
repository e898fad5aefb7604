"""Focal losses, of each class by a sigmoid and over classes by a softmax."""

import torch
import torchvision
from torch import Tensor

from .gradients import write_gradients
from .precision import widen

__all__ = [
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward',
    'softmax_focal_loss_forward',
]


def sigmoid_focal_loss_forward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the focal loss of each prediction and class.

    Args:
        input (Tensor): Logits ``(N, C)``.
        target (Tensor): Classes ``(N,)``; `C` for none of them.
        weight (Tensor): Weight ``(C,)`` of a prediction by its target, or
            empty.
        output (Tensor): What is written, ``(N, C)``.
        gamma (float): How much less a good prediction counts.
        alpha (float): Weight of the target class; the others have the rest.
    """
    (logits,) = widen(input)
    output.copy_(_sigmoid_focal_loss(logits, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor,
    target: Tensor,
    weight: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the gradient of the sum; else as the forward."""
    write_gradients(
        lambda x: _sigmoid_focal_loss(x, target, weight, gamma, alpha),
        [input],
        torch.ones_like(input),
        [grad_input],
    )


def _sigmoid_focal_loss(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_target = (target[:, None] == classes).to(logits.dtype)
    loss = torchvision.ops.sigmoid_focal_loss(logits, is_target, alpha, gamma)
    return loss * weight[target, None] if len(weight) else loss


def softmax_focal_loss_forward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    output: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the focal loss of each prediction.

    Args:
        softmax (Tensor): Probabilities ``(N, C)``.
        target (Tensor): Classes ``(N,)``; negative ones give no loss.
        weight (Tensor): Weight ``(C,)`` of a prediction by its target, or
            empty.
        output (Tensor): What is written, ``(N,)``.
        gamma (float): How much less a good prediction counts.
        alpha (float): Weight of all losses.
    """
    (softmax,) = widen(softmax)
    output.copy_(_softmax_focal_loss(softmax, target, weight, gamma, alpha))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buff: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the gradient of the logits; `buff` is scratch, unused here."""
    write_gradients(
        lambda x: _softmax_focal_loss(
            x.softmax(dim=1), target, weight, gamma, alpha
        ),
        [softmax.log()],
        torch.ones_like(target, dtype=softmax.dtype),
        [grad_input],
    )


def _softmax_focal_loss(
    softmax: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    target_class = target.clamp(min=0)
    p = softmax.gather(1, target_class[:, None])[:, 0]
    tiny = torch.finfo(torch.float32).tiny
    loss = -alpha * (1 - p) ** gamma * p.clamp(min=tiny).log()
    if len(weight):
        loss = loss * weight[target_class]
    return loss.where(target >= 0, 0.0)
