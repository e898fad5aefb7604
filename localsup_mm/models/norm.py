"""Norm layers of aux nets."""

from typing import Optional

from mmengine.registry import MODELS
from torch import nn

__all__ = ['build_norm']


def build_norm(norm_cfg: Optional[dict], channels: int) -> nn.Module:
    """Build a norm layer from a config as the hosts write it.

    Args:
        norm_cfg (dict, optional): Config of the layer, e.g.
            ``dict(type='SyncBN')``. None is BatchNorm2d.
        channels (int): Channels of the features.

    Returns:
        nn.Module: The layer.
    """
    if norm_cfg is None:
        return nn.BatchNorm2d(channels)
    cfg = dict(norm_cfg)
    requires_grad = cfg.pop('requires_grad', True)
    norm = MODELS.build(dict(cfg, num_features=channels))
    return norm.requires_grad_(requires_grad)
