"""Choosing by name what a model computes again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from typing import Union

from torch import nn

from ..hosts import find_checkpointing_layers
from .early_gradients import EarlyGradients
from .loss_by_image import LossByImage
from .method_replacement import MethodReplacement
from .recomputed_method import RecomputedMethod

__all__ = ['can_recompute', 'find_recomputed', 'recompute_modules']

_KINDS: dict[str, Callable[[nn.Module, Callable, str], MethodReplacement]] = {
    'full': partial(RecomputedMethod, is_cheap=False),
    'cheap': partial(RecomputedMethod, is_cheap=True),
    'early': EarlyGradients,
    'by_image': LossByImage,
}


def recompute_modules(
    model: nn.Module,
    recompute: Union[Sequence[str], Mapping[str, Sequence[str]]],
) -> None:
    """Let submodules forget what they computed, and compute it again.

    Their activations do not live from forward pass to backward. Losses,
    gradients, random states and running statistics are those without, bit by
    bit. Each call of a named module is one stretch; the memory of one
    stretch at a time comes back in the backward.

    Args:
        model (nn.Module): Any model, locally supervised or not. It is changed
            in place; state dict, hooks and evaluation stay as they are.
        recompute (Sequence[str] | Mapping[str, Sequence[str]]): Names of
            submodules, e.g. ``['neck', 'backbone.layer3.*']``, where ``*``
            stands for any one part of a name; or of a method that is not
            ``forward``, e.g. ``'decode_head.loss_by_feat'``, which holds
            logits of the size of the image. Or
            ``dict(full=[...], cheap=[...])``: a cheap one keeps what convs
            and matrix products returned, and computes again norms,
            activations and the like. ``dict(early=['*_head.loss'])`` computes
            nothing again: the backward of a method that returns losses runs
            right behind it, and its graph is gone before the next head runs;
            see :class:`EarlyGradients`. ``by_image=['*_head.loss_by_feat']``
            enlarges logits and compares them image by image; see
            :class:`LossByImage`.

    Raises:
        TypeError: If ``recompute`` is neither.
        ValueError: If a name is that of no submodule, or of one that is
            never called, or a host checkpoints the same layers.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4),
        ...                     nn.ReLU())
        >>> recompute_modules(net, dict(cheap=['1', '2']))
        >>> net(torch.rand(2, 3, 8, 8)).sum().backward()
        >>> int(net[1].num_batches_tracked)
        1
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    del modules['']
    for kind, pattern in _read(recompute):
        for name, method in _match(pattern, modules):
            module = modules[name]
            if method == 'forward':
                _check_called(pattern, name, module)
                _check_not_checkpointed(name, module, model)
            else:
                name = f'{name}.{method}'
            present = getattr(module, method)
            if isinstance(present, MethodReplacement):
                present = present.__wrapped__
            setattr(module, method, _KINDS[kind](module, present, name))


def find_recomputed(model: nn.Module) -> list[MethodReplacement]:
    """Find what stands in the place of methods of a model's submodules."""
    return [
        method
        for module in model.modules()
        for method in vars(module).values()
        if isinstance(method, MethodReplacement)
    ]


def can_recompute(model: nn.Module, name: str) -> bool:
    """Tell whether nothing of a submodule is computed again already.

    Args:
        model (nn.Module): The model.
        name (str): Name of a submodule that is called, or of its method.

    Returns:
        bool: Whether neither a host checkpoints layers in it or around it,
        nor ``recompute`` names them.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    owner = name if name in modules else name.rpartition('.')[0]
    module = modules[owner]
    taken = [method.module for method in find_recomputed(model)]
    taken += [layer for layer, _ in _find_checkpointed(model)]
    return not any(_overlap(module, other) for other in taken)


def _read(
    recompute: Union[Sequence[str], Mapping[str, Sequence[str]]],
) -> list[tuple[str, str]]:
    """List the kind of each name, and the name."""
    kinds = (
        recompute if isinstance(recompute, Mapping) else dict(full=recompute)
    )
    if not kinds.keys() <= _KINDS.keys() or not all(
        isinstance(names, (list, tuple))
        and all(isinstance(name, str) for name in names)
        for names in kinds.values()
    ):
        known = ', '.join(map(repr, _KINDS))
        raise TypeError(
            '`recompute` should be a list of names, or such lists under '
            f'{known}, but got {recompute!r}. Write e.g. '
            "['neck'] or dict(cheap=['backbone.layer1.*'], full=['neck'])."
        )
    return [(kind, name) for kind, names in kinds.items() for name in names]


def _match(
    pattern: str, modules: Mapping[str, nn.Module]
) -> list[tuple[str, str]]:
    """Find names of modules and methods; one without a method is called."""
    found = [(name, 'forward') for name in _match_modules(pattern, modules)]
    if not found:
        path, _, method = pattern.rpartition('.')
        found = [
            (name, method)
            for name in _match_modules(path, modules)
            if callable(getattr(type(modules[name]), method, None))
        ]
    if not found:
        close = get_close_matches(pattern, modules, n=4, cutoff=0.5)
        close = close or [name for name in modules if '.' not in name]
        raise ValueError(
            '`recompute` should name submodules of the model, but got '
            f'{pattern!r}. Closest: {_list(close)}.'
        )
    return found


def _match_modules(
    pattern: str, modules: Mapping[str, nn.Module]
) -> list[str]:
    parts = pattern.split('.')
    return [
        name
        for name in modules
        if name.count('.') == len(parts) - 1
        and all(map(fnmatchcase, name.split('.'), parts))
    ]


def _check_called(pattern: str, name: str, module: nn.Module) -> None:
    if type(module).forward is nn.Module.forward:
        inside = [f'{name}.{child}' for child, _ in module.named_children()]
        raise ValueError(
            '`recompute` should name modules that are called, but got '
            f'{pattern!r}, and {name} is a {type(module).__name__}, whose '
            f'parts are. Name those: {_list(inside[:4])}.'
        )


def _check_not_checkpointed(
    name: str, module: nn.Module, model: nn.Module
) -> None:
    for other, flag in _find_checkpointed(model):
        if _overlap(module, other):
            path = next(n for n, m in model.named_modules() if m is other)
            raise ValueError(
                '`recompute` should name what the host does not compute again '
                f'itself, but got {name!r} with {flag}=True in {path!r}. '
                f'Leave one of them out: {flag} of the backbone, or the name.'
            )


def _overlap(module: nn.Module, other: nn.Module) -> bool:
    return any(m is other for m in module.modules()) or any(
        m is module for m in other.modules()
    )


def _find_checkpointed(
    model: nn.Module,
) -> Iterator[tuple[nn.Module, str]]:
    """Find the innermost layers with a checkpoint of the host's own."""
    found = [
        (layer, flag)
        for layer, flag in find_checkpointing_layers(model)
        if getattr(layer, flag)
    ]
    layers = {layer for layer, _ in found}
    for layer, flag in found:
        if layers.isdisjoint([*layer.modules()][1:]):
            yield layer, flag


def _list(names: Sequence[str]) -> str:
    return ', '.join(map(repr, names)) or 'none'
