"""A trace of a backbone by one forward pass on fake tensors."""

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor, nn

from ..errors import InputSizeError
from ..upstream import BatchNorm, tree_leaves
from .backbone_trace import BackboneTrace
from .fake_run import faked
from .input_shape import find_input_shape
from .module_call import TRACED_BATCH, ModuleCall

__all__ = ['trace_backbone']


def trace_backbone(
    backbone: nn.Module,
    input_size: Optional[Sequence[int]] = None,
    frozen_too: bool = False,
) -> BackboneTrace:
    """Find where a backbone can be cut, without running it for real.

    It runs one forward pass in training mode under ``FakeTensorMode``: shapes
    and the autograd graph are those of a real pass, but no memory is taken
    and no parameter, buffer or random state changes.

    Args:
        backbone (nn.Module): Any module from an image, or a clip of a video,
            to one or several feature maps.
        input_size (Sequence[int], optional): H and W of the image, in
            pixels, of a clip (T, H, W). Defaults to None: the backbone's own
            ``img_size`` where it has one, else 224 x 224, and 16 frames.
        frozen_too (bool): Whether to follow also what needs no gradient:
            the images and what frozen parameters make of them. Defaults to
            False.

    Returns:
        BackboneTrace: Its cuts, and what each choice of cuts implies.

    Raises:
        InputSizeError: If it does not run on such an image.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(),
        ...                     nn.Conv2d(8, 16, 3, 2, 1))
        >>> trace_backbone(net).boundaries['1']
        Boundary(name='1', channels=8, stride=2, num_extra_tokens=None, \
image_channels=3, frame_stride=None)
    """
    size = input_size or getattr(backbone, 'img_size', None) or 224
    size = (size, size) if isinstance(size, int) else tuple(size)
    image_shape = find_input_shape(backbone, size)
    batch = TRACED_BATCH * (getattr(backbone, 'num_segments', None) or 1)
    calls: dict[str, ModuleCall] = {}
    pending: dict[str, tuple] = {}
    keep = []

    def before(name, module, args, kwargs):
        leaves = [v for v in tree_leaves((args, kwargs)) if v is not None]
        tensors = [v for v in leaves if isinstance(v, Tensor)]
        keep.extend(tensors)
        pending[name] = (
            [t.grad_fn for t in tensors],
            tuple(tensors[0].shape) if tensors else (),
            tuple(v for v in leaves if not isinstance(v, Tensor)),
        )

    def after(name, module, args, output):
        tensors = [t for t in tree_leaves(output) if isinstance(t, Tensor)]
        keep.extend(tensors)
        is_tensor = isinstance(output, Tensor)
        # The node is read here: an in-place op behind this module would
        # later make another one look like its output's.
        inputs, in_shape, others = pending.pop(name, ([], (), ()))
        call = ModuleCall(
            inputs,
            [t.grad_fn for t in tensors],
            is_tensor,
            tuple(output.shape) if is_tensor else (),
            isinstance(module, BatchNorm),
            in_shape,
            others,
        )
        call.count += calls.pop(name).count if name in calls else 0
        calls[name] = call

    handles = []
    try:
        for name, module in backbone.named_modules():
            if name:
                handles += [
                    module.register_forward_pre_hook(
                        _bind(before, name), with_kwargs=True
                    ),
                    module.register_forward_hook(_bind(after, name)),
                ]
        with torch.enable_grad(), faked(backbone) as run:
            image = torch.empty(batch, *image_shape)
            if frozen_too:
                image = image.requires_grad_().clone()
                for name, _ in backbone.named_parameters():
                    run.state[name].requires_grad_()
            output = run(image)
    except Exception as error:
        found = f'{type(error).__name__}: {error}'.rstrip('. ')
        raise InputSizeError(
            '`input_size` should be that of images which '
            f'{type(backbone).__name__} takes, but got {image_shape[-2:]}, '
            f'with which it raises {found}. If that is for the size, set '
            'input_size=(H, W) of LocalBackbone.'
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    outputs = [t.grad_fn for t in tree_leaves(output) if isinstance(t, Tensor)]
    parameters = {id(run.state[n]): n for n, _ in backbone.named_parameters()}
    return BackboneTrace(
        type(backbone).__name__,
        (batch, *image_shape),
        calls,
        outputs,
        parameters,
        dict(backbone.named_modules()),
    )


def _bind(function, name: str):
    return lambda *args: function(name, *args)
