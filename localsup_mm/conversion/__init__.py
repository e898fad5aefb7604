"""Weights that authors released, as checkpoints of our configs."""

from .convert_weights import Converted, convert_file, convert_weights
from .releases import RELEASES, Release

__all__ = [
    'RELEASES',
    'Converted',
    'Release',
    'convert_file',
    'convert_weights',
]
