"""Places where a backbone can be cut, found in its autograd graph."""

from .backbone_trace import BackboneTrace
from .block import Block
from .boundary import Boundary
from .fake_run import faked
from .input_shape import find_image_channels, find_input_shape
from .local_stretches import LocalStretches
from .partition import Partition
from .trace import trace_backbone

__all__ = [
    'BackboneTrace',
    'Block',
    'Boundary',
    'LocalStretches',
    'Partition',
    'faked',
    'find_image_channels',
    'find_input_shape',
    'trace_backbone',
]
