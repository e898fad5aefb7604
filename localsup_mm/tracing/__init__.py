"""Places where a backbone can be cut, found in its autograd graph."""

from .backbone_trace import BackboneTrace
from .block import Block
from .boundary import Boundary
from .input_shape import find_image_channels, find_input_shape
from .partition import Partition
from .trace import trace_backbone

__all__ = [
    'BackboneTrace',
    'Block',
    'Boundary',
    'Partition',
    'find_image_channels',
    'find_input_shape',
    'trace_backbone',
]
