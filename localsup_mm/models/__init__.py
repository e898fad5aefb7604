"""Parts that a config names by their type, laid out as in the hosts."""

from .decoders import ReconstructionDecoder
from .heads import (
    ClassMapHead,
    PredSimHead,
    SupConHead,
    similarity_matching_loss,
    supcon_loss,
)
from .necks import ConvPool, MLPSRNeck, ReductionNeck

__all__ = [
    'ClassMapHead',
    'ConvPool',
    'MLPSRNeck',
    'PredSimHead',
    'ReconstructionDecoder',
    'ReductionNeck',
    'SupConHead',
    'similarity_matching_loss',
    'supcon_loss',
]
