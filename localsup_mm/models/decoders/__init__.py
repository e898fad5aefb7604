"""Decoders that estimate what features keep of the image."""

from .reconstruction_decoder import ReconstructionDecoder

__all__ = [
    'ReconstructionDecoder',
]
