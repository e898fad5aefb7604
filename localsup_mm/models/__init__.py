"""Networks: tracing, cutting and supervising a backbone."""

from .backbone_trace import BackboneTrace
from .boundary import Boundary, Partition
from .class_map_head import ClassMapHead
from .context_supply import ContextSupply
from .conv_pool import ConvPool
from .local_backbone import LocalBackbone, supervise_locally
from .local_module import LocalModule
from .local_module_rule import expand_local_modules
from .local_step import LocalStep, lend_step
from .local_supervision import LocalSupervision, local_parameters
from .mlp_sr_neck import MLPSRNeck
from .predsim_head import PredSimHead, similarity_matching_loss
from .published_settings import LOSS_WEIGHTS, PARTITIONS
from .reconstruction_decoder import ReconstructionDecoder
from .reduction_neck import ReductionNeck
from .supcon_head import SupConHead, supcon_loss
from .trace import trace_backbone

__all__ = [
    'LOSS_WEIGHTS',
    'PARTITIONS',
    'BackboneTrace',
    'Boundary',
    'ClassMapHead',
    'ContextSupply',
    'ConvPool',
    'LocalBackbone',
    'LocalModule',
    'LocalStep',
    'LocalSupervision',
    'MLPSRNeck',
    'Partition',
    'PredSimHead',
    'ReconstructionDecoder',
    'ReductionNeck',
    'SupConHead',
    'expand_local_modules',
    'lend_step',
    'local_parameters',
    'similarity_matching_loss',
    'supcon_loss',
    'supervise_locally',
    'trace_backbone',
]
