"""Aux necks, between the features at a boundary and an aux head."""

from .conv_pool import ConvPool
from .mlp_sr_neck import MLPSRNeck
from .momentum_block import MomentumBlock
from .reduction_neck import ReductionNeck
from .sampled_blocks import SampledBlocks

__all__ = [
    'ConvPool',
    'MLPSRNeck',
    'MomentumBlock',
    'ReductionNeck',
    'SampledBlocks',
]
