"""Decoders that estimate what features keep of image or input."""

from .feature_decoder import FeatureDecoder
from .reconstruction_decoder import ReconstructionDecoder
from .target import shrink

__all__ = [
    'FeatureDecoder',
    'ReconstructionDecoder',
    'shrink',
]
