"""Networks: tracing, cutting and supervising a backbone."""

from .backbone_trace import BackboneTrace
from .boundary import Boundary, Partition
from .local_backbone import LocalBackbone, supervise_locally
from .local_module import LocalModule
from .local_step import LocalStep, lend_step
from .local_supervision import LocalSupervision, local_parameters
from .reconstruction_decoder import ReconstructionDecoder
from .trace import trace_backbone

__all__ = [
    'BackboneTrace',
    'Boundary',
    'LocalBackbone',
    'LocalModule',
    'LocalStep',
    'LocalSupervision',
    'Partition',
    'ReconstructionDecoder',
    'lend_step',
    'local_parameters',
    'supervise_locally',
    'trace_backbone',
]
