"""Parts that a config names by their type, laid out as in the hosts."""

from .decoders import FeatureDecoder, ReconstructionDecoder
from .heads import (
    ClassMapHead,
    PredSimHead,
    SupConHead,
    similarity_matching_loss,
    supcon_loss,
)
from .necks import (
    ConvPool,
    MLPSRNeck,
    MomentumBlock,
    ReductionNeck,
    SampledBlocks,
)

__all__ = [
    'ClassMapHead',
    'ConvPool',
    'FeatureDecoder',
    'MLPSRNeck',
    'MomentumBlock',
    'PredSimHead',
    'ReconstructionDecoder',
    'ReductionNeck',
    'SampledBlocks',
    'SupConHead',
    'similarity_matching_loss',
    'supcon_loss',
]
