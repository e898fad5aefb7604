"""Deformable convolutions, with (v2) and without (v1) a mask."""

from collections.abc import Sequence

import torch
import torchvision  # noqa: F401  (makes torch.ops.torchvision)
from torch import Tensor

from .precision import widen

__all__ = [
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
]


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the convolution of pixels that lie at an offset (v1).

    Args:
        input (Tensor): Features ``(N, C, H, W)``.
        weight (Tensor): Weight ``(O, C / group, kH, kW)``.
        offset (Tensor): Offsets, down and right, of each pixel under the
            kernel, ``(N, 2 * deformable_group * kH * kW, h, w)``.
        output (Tensor): What is written, ``(N, O, h, w)``.
        columns (Tensor): Scratch, unused here.
        ones (Tensor): Scratch, unused here.
        kW (int): Width of the kernel, read from `weight` here.
        kH (int): Height of the kernel, as `kW`.
        dW (int): Stride along the width.
        dH (int): Stride along the height.
        padW (int): Padding of the width, on both sides.
        padH (int): Padding of the height, on both sides.
        dilationW (int): Dilation along the width.
        dilationH (int): Dilation along the height.
        group (int): Groups of channels that are convolved apart.
        deformable_group (int): Groups of channels with offsets of their own.
        im2col_step (int): Images at once, unused here.
    """
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    groups = (group, deformable_group)
    _convolve(output, input, weight, None, offset, None, geometry, groups)


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Write the gradients of input and offset, and keep that of the weight.

    torchvision computes all at once. `columns`, scratch that mmcv hands to
    `deform_conv_backward_parameters` next, takes the gradient there.
    """
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    groups = (group, deformable_group)
    grads = _gradients(
        grad_output, input, weight, None, offset, None, geometry, groups
    )
    grad_input.copy_(grads[0])
    grad_offset.copy_(grads[2])
    columns.resize_(weight.shape).copy_(grads[1])


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    grad_output: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Write the gradient of the weight, from `columns` if it is there."""
    if columns.shape == grad_weight.shape:
        grad_weight.copy_(columns).mul_(scale)
        columns.resize_(0)
        return
    geometry = (dH, dW, padH, padW, dilationH, dilationW)
    groups = (group, deformable_group)
    # the gradient of the weight does not depend on the weight
    grads = _gradients(
        grad_output, input, grad_weight, None, offset, None, geometry, groups
    )
    grad_weight.copy_(grads[1]).mul_(scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write the convolution of weighted pixels that lie at an offset (v2).

    Args:
        input (Tensor): Features ``(N, C, H, W)``.
        weight (Tensor): Weight ``(O, C / group, kernel_h, kernel_w)``.
        bias (Tensor): Bias ``(O,)``, read only `with_bias`.
        ones (Tensor): Scratch, unused here.
        offset (Tensor): Offsets, down and right, of each pixel under the
            kernel, ``(N, 2 * deformable_group * kernel_h * kernel_w, h, w)``.
            Of larger ones, as in DyHead, the first numbers of each image are
            read as such, which is what mmcv's own op does.
        mask (Tensor): Weight of each of these pixels, with half the channels
            of `offset`.
        output (Tensor): What is written, ``(N, O, h, w)``.
        columns (Tensor): Scratch, unused here.
        kernel_h (int): Height of the kernel, read from `weight` here.
        kernel_w (int): Width of the kernel, as `kernel_h`.
        stride_h (int): Stride along the height.
        stride_w (int): Stride along the width.
        pad_h (int): Padding of the height, on both sides.
        pad_w (int): Padding of the width, on both sides.
        dilation_h (int): Dilation along the height.
        dilation_w (int): Dilation along the width.
        group (int): Groups of channels that are convolved apart.
        deformable_group (int): Groups of channels with offsets of their own.
        with_bias (bool): Add the bias.
    """
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    groups = (group, deformable_group)
    bias = bias if with_bias else None
    offset, mask = (_fit(tensor, output) for tensor in (offset, mask))
    _convolve(output, input, weight, bias, offset, mask, geometry, groups)


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Write all gradients; else as `modulated_deform_conv_forward`."""
    geometry = (stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w)
    groups = (group, deformable_group)
    offset, mask, grad_offset, grad_mask = (
        _fit(tensor, grad_output)
        for tensor in (offset, mask, grad_offset, grad_mask)
    )
    grads = _gradients(
        grad_output, input, weight, None, offset, mask, geometry, groups
    )
    written = [grad_input, grad_weight, grad_offset, grad_mask]
    if with_bias:
        written.append(grad_bias)
    for tensor, grad in zip(written, grads):
        tensor.copy_(grad)


def _fit(tensor: Tensor, output: Tensor) -> Tensor:
    """Return the front of each image where it is larger than the output."""
    size, channels = output.shape[2:], tensor.shape[1]
    number = channels * size.numel()
    if tensor[0].numel() <= number:
        return tensor
    front = tensor.view(len(tensor), -1)[:, :number]
    return front.view(len(tensor), channels, *size)


def _convolve(output: Tensor, *tensors: Tensor | Sequence[int] | None) -> None:
    output.copy_(torch.ops.torchvision.deform_conv2d(*_arguments(*tensors)))


def _gradients(
    grad_output: Tensor, *tensors: Tensor | Sequence[int] | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Compute those of input, weight, offset, mask and bias."""
    return torch.ops.torchvision._deform_conv2d_backward(
        *widen(grad_output), *_arguments(*tensors)
    )


def _arguments(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    offset: Tensor,
    mask: Tensor | None,
    geometry: Sequence[int],
    groups: Sequence[int],
) -> list:
    """List what torchvision's deformable convolution is called with."""
    use_mask = mask is not None
    if mask is None:
        mask = input.new_zeros((len(input), 1))
    if bias is None:
        bias = input.new_zeros(len(weight))
    tensors = widen(input, weight, offset, mask, bias)
    return [*tensors, *geometry, *groups, use_mask]
