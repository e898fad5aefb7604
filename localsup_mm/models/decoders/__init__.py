"""Decoders that estimate what features keep of the image."""

from .reconstruction_decoder import ReconstructionDecoder
from .target import shrink

__all__ = [
    'ReconstructionDecoder',
    'shrink',
]
