"""Aux heads: the local losses that the hosts lack."""

from .class_map_head import ClassMapHead
from .predsim_head import PredSimHead, similarity_matching_loss
from .supcon_head import SupConHead, supcon_loss

__all__ = [
    'ClassMapHead',
    'PredSimHead',
    'SupConHead',
    'similarity_matching_loss',
    'supcon_loss',
]
