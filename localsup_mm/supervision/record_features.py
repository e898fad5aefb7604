"""The features at boundaries, in one forward pass without gradients."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

__all__ = ['record_features']


@torch.no_grad()
def record_features(
    backbone: nn.Module,
    inputs: Tensor,
    names: Sequence[str],
    with_context: bool = False,
) -> list[Tensor]:
    """Run a backbone and keep what some of its submodules return.

    Args:
        backbone (nn.Module): The backbone, in the mode that is wanted.
        inputs (Tensor): ``(B, 3, H, W)``, normalized.
        names (Sequence[str]): Names of submodules, e.g. of boundaries.
        with_context (bool): Whether with what :class:`ContextSupply` adds
            there. Defaults to False.

    Returns:
        list[Tensor]: The features, in the order of the names.
    """
    feats: dict[str, Tensor] = {}
    handles = [
        backbone.get_submodule(name).register_forward_hook(
            partial(_keep, feats, name), prepend=not with_context
        )
        for name in names
    ]
    try:
        backbone(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return [feats[name] for name in names]


def _keep(
    feats: dict[str, Tensor],
    name: str,
    module: nn.Module,
    args: tuple,
    output: Tensor,
) -> None:
    feats[name] = output
