"""A method that returns losses and computes their gradients at once."""

from collections.abc import Callable, Sequence
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..errors import SetupError
from ..outside_autocast import outside_autocast
from ..upstream import FakeTensor, tree_flatten, tree_unflatten
from .method_replacement import MethodReplacement

__all__ = ['EarlyGradients']

# half of what a GradScaler begins with, which float16 cannot hold
_FIRST_SCALE = 2.0**15


class EarlyGradients(MethodReplacement):
    """Takes the place of a method that returns losses, and differentiates it.

    The backward of the losses runs within the forward pass, right behind the
    method, so that its graph is gone before the next head runs. What is kept
    are the gradients of its inputs and parameters. The backward of the whole
    model hands them on: there they are averaged, accumulated and clipped as
    ever, and nothing is computed twice.

    A backward that begins with another number than 1, as that of a scaled
    loss does, multiplies them. The next one here begins with that number, so
    that float16 loses no small gradients.

    Args:
        module (nn.Module): The module.
        method (Callable): Its method, e.g. ``loss`` of a head.
        name (str): Its name in the model, for messages.

    Attributes:
        scale (Tensor, optional): The number that the last backward began
            with, ``()``; None before the first.
    """

    def __init__(self, module: nn.Module, method: Callable, name: str) -> None:
        super().__init__(module, method, name)
        self.scale: Optional[Tensor] = None
        self._is_checked = False

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the method and the backward of its losses."""
        leaves, spec = tree_flatten((args, kwargs))
        inputs = {i: leaves[i] for i in _find_learning(leaves)}
        for i, tensor in inputs.items():
            leaves[i] = tensor.detach().requires_grad_()
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        args, kwargs = tree_unflatten(leaves, spec)
        results, spec = tree_flatten(self.__wrapped__(*args, **kwargs))
        places = _find_learning(results)
        losses = [results[i] for i in places if results[i].numel() == 1]
        if not losses:
            raise SetupError(
                '`recompute` should name methods that return losses as early, '
                f'but got {self.name!r}, which returns none. Name it as full '
                'or cheap, or the method that computes the loss.'
            )
        ends = [*(leaves[i] for i in inputs), *parameters]
        if not self._is_checked:
            self._check_ends(losses, ends)
            self._is_checked = True
        scale = self._find_scale(losses[0])
        with outside_autocast(losses[0].device.type):
            found = torch.autograd.grad(
                losses,
                ends,
                [scale.to(loss).expand_as(loss) for loss in losses],
                allow_unused=True,
            )
        reached, gradients = [], []
        for end, gradient in zip([*inputs.values(), *parameters], found):
            if gradient is not None:
                reached.append(end)
                gradients.append(gradient)
        values = [results[i].detach() for i in places]
        attached = _Gradients.apply(self, scale, values, gradients, *reached)
        for i, value in zip(places, attached):
            results[i] = value
        return tree_unflatten(results, spec)

    def _find_scale(self, loss: Tensor) -> Tensor:
        """Guess the number that the backward of the model begins with."""
        if self.scale is not None:
            return self.scale
        device = loss.device.type
        is_float16 = (
            torch.amp.is_autocast_available(device)
            and torch.is_autocast_enabled(device)
            and torch.get_autocast_dtype(device) == torch.float16
        )
        value = _FIRST_SCALE if is_float16 else 1.0
        return torch.full((), value, device=loss.device)

    def check_scales(
        self, shapes: Sequence[torch.Size], scales: Sequence[Optional[Tensor]]
    ) -> Tensor:
        """Check that a backward reaches all losses alike, and nothing else.

        Args:
            shapes (Sequence[torch.Size]): Those of what the method returned.
            scales (Sequence[Tensor | None]): Its gradients.

        Returns:
            Tensor: The gradient of each loss, ``()``.

        Raises:
            SetupError: If it is not so.
        """
        of_losses = []
        for shape, scale in zip(shapes, scales):
            if (shape.numel() == 1) != (scale is not None):
                raise SetupError(
                    '`recompute` should name methods as early whose losses '
                    'all count, and of which nothing else learns, but got '
                    f'{self.name!r}, where a result of shape '
                    f'{tuple(shape)} has '
                    f'{"no" if scale is None else "a"} gradient. Name it as '
                    'full or cheap.'
                )
            if scale is not None:
                of_losses.append(scale.reshape(()))
        stacked = torch.stack(of_losses)
        # asks what differs, of which heads that compute nothing find none
        differs = (stacked != stacked[0]).any()
        if not isinstance(differs, FakeTensor) and bool(differs):
            raise SetupError(
                '`recompute` should name methods as early whose losses have '
                f'the same weight in the sum, but got {self.name!r} with '
                f'{stacked.tolist()}. Name it as full or cheap.'
            )
        scale = stacked[0]
        is_usable = scale.isfinite() & (scale != 0)
        previous = self.scale if self.scale is not None else 1.0
        self.scale = torch.where(is_usable, scale, previous)
        return scale

    def _check_ends(
        self, losses: Sequence[Tensor], ends: Sequence[Tensor]
    ) -> None:
        known = set(map(id, ends))
        seen: set = set()
        nodes = [loss.grad_fn for loss in losses]
        while nodes:
            node = nodes.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            nodes += [following for following, _ in node.next_functions]
            end = getattr(node, 'variable', None)
            if end is not None and id(end) not in known:
                raise SetupError(
                    '`recompute` should name methods as early that learn by '
                    'their arguments and the parameters of their module, but '
                    f'got {self.name!r}, which reaches another tensor of '
                    f'shape {tuple(end.shape)}. Name it as full or cheap.'
                )


def _find_learning(leaves: Sequence[Any]) -> list[int]:
    return [
        i
        for i, leaf in enumerate(leaves)
        if isinstance(leaf, Tensor) and leaf.requires_grad
    ]


class _Gradients(Function):
    """Return values, and in the backward gradients that are there already."""

    @staticmethod
    def forward(
        ctx: Any,
        method: EarlyGradients,
        scale: Tensor,
        values: list[Tensor],
        gradients: list[Tensor],
        *reached: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.method = method
        ctx.save_for_backward(scale, *gradients)
        ctx.shapes = [value.shape for value in values]
        return tuple(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *scales: Optional[Tensor]) -> tuple:
        begun, *gradients = ctx.saved_tensors
        factor = ctx.method.check_scales(ctx.shapes, scales) / begun
        for gradient in gradients:
            gradient.mul_(factor)
        return (None, None, None, None, *gradients)
