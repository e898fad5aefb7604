"""The cheap way and the plain way give the same."""

import pytest
import torch
from torch import nn

from localsup_mm.models.decoders.resized_conv import conv_of_resized, resize


@pytest.mark.parametrize('kernel', [1, 3, 5])
@pytest.mark.parametrize(
    ('start', 'size'),
    [((8, 8), (32, 32)), ((5, 3), (11, 17)), ((1, 1), (8, 8)), ((8, 8), 8)],
)
def test_equals_resize_then_conv(start, size, kernel):
    size = (size, size) if isinstance(size, int) else size
    conv = nn.Conv2d(64, 12, kernel, padding=kernel // 2).double()
    x = torch.randn(2, 64, *start).double().requires_grad_()
    weights = torch.randn(2, 12, *size).double()

    def outcome(out):
        parameters = (x, conv.weight, conv.bias)
        return out, *torch.autograd.grad((out * weights).sum(), parameters)

    expected = outcome(conv(resize(x, size)))
    for a, b in zip(outcome(conv_of_resized(x, conv, size)), expected):
        # sums in another order, in float64
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_keeps_no_enlarged_features():
    conv = nn.Conv2d(64, 12, 3, padding=1)
    x = torch.randn(2, 64, 8, 8, requires_grad=True)
    enlarged = 2 * 64 * 32 * 32
    saved = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        conv_of_resized(x, conv, (32, 32))
        assert max(saved) < enlarged / 4
        conv(resize(x, (32, 32)))
        assert max(saved) == enlarged


def test_autocast():
    conv = nn.Conv2d(64, 12, 3, padding=1)
    x = torch.randn(2, 64, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        out = conv_of_resized(x, conv, (32, 32))
    # bfloat16 has 8 bits
    expected = conv(resize(x, (32, 32)))
    torch.testing.assert_close(out.float(), expected, rtol=0.05, atol=0.05)
