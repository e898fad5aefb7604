"""Norm layers of aux nets."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from mmengine.registry import MODELS
from torch import nn

from ..upstream import BatchNorm

__all__ = ['build_norm', 'running_statistics']


def build_norm(
    norm_cfg: Optional[dict], channels: int, num_dims: int = 2
) -> nn.Module:
    """Build a norm layer from a config as the hosts write it.

    The groups of a group norm, which a config states for wide layers, become
    fewer where they do not divide the channels: their greatest common
    divisor.

    Args:
        norm_cfg (dict, optional): Config of the layer, e.g.
            ``dict(type='SyncBN')`` or ``dict(type='GN', num_groups=32)``.
            None is plain batch norm.
        channels (int): Channels of the features.
        num_dims (int): Dimensions of a feature map: 2 for images, 3 for
            clips. Defaults to 2.

    Returns:
        nn.Module: The layer.
    """
    if norm_cfg is None:
        norm = nn.BatchNorm2d if num_dims == 2 else nn.BatchNorm3d
        return norm(channels)
    cfg = dict(norm_cfg)
    requires_grad = cfg.pop('requires_grad', True)
    if 'num_groups' in cfg:
        cfg['num_groups'] = math.gcd(cfg['num_groups'], channels)
    norm = cfg['type']
    if isinstance(norm, str):
        with MODELS.switch_scope_and_registry(None) as registry:
            norm = registry.get(norm)
    names = inspect.signature(norm).parameters if norm else ()
    name = 'num_channels' if 'num_channels' in names else 'num_features'
    norm = MODELS.build({**cfg, name: channels})
    return norm.requires_grad_(requires_grad)


@contextmanager
def running_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms normalize by their running statistics for a while.

    Args:
        module (nn.Module): Any module that has batch norms.

    Yields:
        None: While they do so.
    """
    norms = [
        m for m in module.modules() if isinstance(m, BatchNorm) and m.training
    ]
    try:
        for norm in norms:
            norm.training = False
        yield
    finally:
        for norm in norms:
            norm.training = True
