"""Training by local losses in the Runner of mmengine."""

from .checkpointing import (
    AtomicLocalBackend,
    SafeCheckpointHook,
    check_weights,
    export_checkpoint,
    read_checkpoint,
    read_weights,
    weights_suffice,
)
from .checks import (
    check_batches,
    check_classes,
    check_data,
    check_gradients,
    check_model,
    check_pretrained,
    check_work_dir,
    empty_data_explained,
)
from .hooks import (
    PeakMemoryHook,
    RecomputeHook,
    ReconstructionHook,
    SetupCheckHook,
    reconstruct,
)
from .join_processes import hanging_processes_named, join_processes
from .local_backward import LocalBackwardMixin
from .loops import AsynchronousTrainLoop, SingleModuleStep
from .model_wrapper import LocalDistributedDataParallel, unwrap_model
from .module_parallel import ModuleParallel, ModuleParallelRunner
from .optim_wrapper import (
    AMP_FORMS,
    LOCAL_FORMS,
    LocalAmpOptimWrapper,
    LocalOptimWrapper,
)
from .prepare_model import prepare_model
from .random_states import get_random_states, set_random_states
from .runner import build_runner, check_resumed, use_safe_hooks
from .sharding import LocalFullyShardedDataParallel
from .warmup_cosine_lr import WarmupCosineLR

__all__ = [
    'AMP_FORMS',
    'LOCAL_FORMS',
    'AsynchronousTrainLoop',
    'AtomicLocalBackend',
    'LocalAmpOptimWrapper',
    'LocalBackwardMixin',
    'LocalDistributedDataParallel',
    'LocalFullyShardedDataParallel',
    'LocalOptimWrapper',
    'ModuleParallel',
    'ModuleParallelRunner',
    'PeakMemoryHook',
    'RecomputeHook',
    'ReconstructionHook',
    'SafeCheckpointHook',
    'SetupCheckHook',
    'SingleModuleStep',
    'WarmupCosineLR',
    'build_runner',
    'check_batches',
    'check_classes',
    'check_data',
    'check_gradients',
    'check_model',
    'check_pretrained',
    'check_resumed',
    'check_weights',
    'check_work_dir',
    'empty_data_explained',
    'export_checkpoint',
    'get_random_states',
    'hanging_processes_named',
    'join_processes',
    'prepare_model',
    'read_checkpoint',
    'read_weights',
    'reconstruct',
    'set_random_states',
    'unwrap_model',
    'use_safe_hooks',
    'weights_suffice',
]
