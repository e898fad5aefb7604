"""The steps of mmcv's synchronized batch normalization (MMSyncBN)."""

from torch import Tensor

__all__ = [
    'sync_bn_backward_data',
    'sync_bn_backward_param',
    'sync_bn_forward_mean',
    'sync_bn_forward_output',
    'sync_bn_forward_var',
]


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Write the mean of each channel in this process.

    Args:
        input (Tensor): Features ``(N, C, L)``.
        mean (Tensor): What is written, ``(C,)``.
    """
    mean.copy_(input.float().mean(dim=(0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Write the variance of each channel in this process.

    Args:
        input (Tensor): Features ``(N, C, L)``.
        mean (Tensor): The mean over all processes, ``(C,)``.
        var (Tensor): What is written, ``(C,)``.
    """
    var.copy_((input.float() - mean[:, None]).square().mean(dim=(0, 2)))


def sync_bn_forward_output(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    norm: Tensor,
    std: Tensor,
    output: Tensor,
    eps: float,
    momentum: float | Tensor,
    group_size: int,
) -> None:
    """Normalize, and follow mean and variance.

    Args:
        input (Tensor): Features ``(N, C, L)``.
        mean (Tensor): The mean over all processes, ``(C,)``.
        var (Tensor): The variance over all processes, ``(C,)``.
        weight (Tensor, optional): Factor of each channel.
        bias (Tensor, optional): What is added to each channel.
        running_mean (Tensor, optional): Mean that is followed.
        running_var (Tensor, optional): Variance that is followed.
        norm (Tensor): Takes the normalized features ``(N, C, L)``.
        std (Tensor): Takes the standard deviation ``(C,)``.
        output (Tensor): Takes the output ``(N, C, L)``.
        eps (float): What is added to the variance.
        momentum (float | Tensor): How fast they are followed.
        group_size (int): Number of processes.
    """
    std.copy_((var + eps).sqrt())
    norm.copy_((input.float() - mean[:, None]) / std[:, None])
    if weight is None or bias is None:
        output.copy_(norm)
    else:
        output.copy_(norm * weight[:, None] + bias[:, None])
    if running_mean is not None and running_var is not None:
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * count / (count - 1) if count > 1 else var
        momentum = float(momentum)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(unbiased, momentum)


def sync_bn_backward_param(
    grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor
) -> None:
    """Write the gradients of factor and bias in this process.

    Args:
        grad_output (Tensor): Gradient of the output ``(N, C, L)``.
        norm (Tensor): The normalized features ``(N, C, L)``.
        grad_weight (Tensor): Takes the gradient of the factor ``(C,)``.
        grad_bias (Tensor): Takes the gradient of the bias ``(C,)``.
    """
    grad_weight.copy_((grad_output * norm).sum(dim=(0, 2)))
    grad_bias.copy_(grad_output.float().sum(dim=(0, 2)))


def sync_bn_backward_data(
    grad_output: Tensor,
    weight: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    norm: Tensor,
    std: Tensor,
    grad_input: Tensor,
) -> None:
    """Write the gradient of the input.

    Args:
        grad_output (Tensor): Gradient of the output ``(N, C, L)``.
        weight (Tensor): Factor of each channel.
        grad_weight (Tensor): Its gradient, the mean over all processes.
        grad_bias (Tensor): Gradient of the bias, the mean over all.
        norm (Tensor): The normalized features ``(N, C, L)``.
        std (Tensor): The standard deviation ``(C,)``.
        grad_input (Tensor): Takes the gradient ``(N, C, L)``.
    """
    shift = grad_weight[:, None] * norm + grad_bias[:, None]
    count = norm.shape[0] * norm.shape[2]
    grad = (grad_output - shift / count) * (weight / std)[:, None]
    grad_input.copy_(grad)
