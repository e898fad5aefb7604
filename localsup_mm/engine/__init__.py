"""Training: optimizer wrappers, distribution, checks, hooks and loops."""

from .checkpoint import check_weights, read_checkpoint
from .data_check import check_data
from .hooks import (
    AtomicLocalBackend,
    PeakMemoryHook,
    ReconstructionHook,
    SafeCheckpointHook,
    SetupCheckHook,
    reconstruct,
)
from .live_bytes import LiveBytes
from .loops import AsynchronousTrainLoop, FeatureCache
from .model_wrapper import LocalDistributedDataParallel
from .optim_wrapper import (
    LocalAmpOptimWrapper,
    LocalBackwardMixin,
    LocalOptimWrapper,
)
from .setup_check import (
    check_batches,
    check_classes,
    check_gradients,
    check_model,
    set_normalization,
)
from .warmup_cosine_lr import WarmupCosineLR

__all__ = [
    'AsynchronousTrainLoop',
    'AtomicLocalBackend',
    'FeatureCache',
    'LiveBytes',
    'LocalAmpOptimWrapper',
    'LocalBackwardMixin',
    'LocalDistributedDataParallel',
    'LocalOptimWrapper',
    'PeakMemoryHook',
    'ReconstructionHook',
    'SafeCheckpointHook',
    'SetupCheckHook',
    'WarmupCosineLR',
    'check_batches',
    'check_classes',
    'check_data',
    'check_gradients',
    'check_model',
    'check_weights',
    'read_checkpoint',
    'reconstruct',
    'set_normalization',
]
