"""Aux necks, between the features at a boundary and an aux head."""

from .conv_pool import ConvPool
from .mlp_sr_neck import MLPSRNeck
from .reduction_neck import ReductionNeck

__all__ = [
    'ConvPool',
    'MLPSRNeck',
    'ReductionNeck',
]
