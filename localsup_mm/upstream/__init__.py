"""Private names of torch and mmengine, and what differs between releases.

They stand here and nowhere else, so that a release of torch or mmengine that
renames one breaks this room alone. Checked with torch 2.4.0 and 2.12.1 and
with mmengine 0.8.3 and 0.10.7. Overrides of private methods cannot be moved
here; there are ``CheckpointHook._save_checkpoint_with_step``
(``SafeCheckpointHook``), ``Module._load_from_state_dict``
(``ContextSupply``), ``_ParamScheduler._get_value`` (``WarmupCosineLR``) and
``_BatchNorm._check_input_dim`` (``_NormOfProcess``).
"""

from .distributed import (
    DTensor,
    end_process,
    find_default_store,
    find_fully_shard,
    leave_out_of_ddp,
    run_hook_first,
    shard_like,
)
from .mmengine import (
    HostBatches,
    ParamScheduler,
    RevertedSyncNorm,
    draw_batches_by,
    find_accumulative_counts,
    find_config_dict,
    initialized_by_a_parent,
    inner_count_kept,
    is_lazy_config,
    let_configs_inherit,
    set_scale_update,
    skips_seen_batches,
)
from .torch import (
    ATTENTION_ON_CPU,
    READ_VALUE,
    UNSAFE_VIEW,
    BatchNorm,
    FakeCopyMode,
    FakeTensor,
    FakeTensorMode,
    TorchDispatchMode,
    copy_layer_versions,
    detach_alias,
    dispatch_modes_disabled,
    find_storage_key,
    find_version,
    hooks_removed,
    is_in_backward,
    is_in_place,
    make_wrapper_subclass,
    not_compiled,
    tree_flatten,
    tree_leaves,
    tree_map_only,
    tree_unflatten,
    unset_fake_temporarily,
)

__all__ = [
    'ATTENTION_ON_CPU',
    'READ_VALUE',
    'UNSAFE_VIEW',
    'BatchNorm',
    'DTensor',
    'FakeCopyMode',
    'FakeTensor',
    'FakeTensorMode',
    'HostBatches',
    'ParamScheduler',
    'RevertedSyncNorm',
    'TorchDispatchMode',
    'copy_layer_versions',
    'detach_alias',
    'dispatch_modes_disabled',
    'draw_batches_by',
    'end_process',
    'find_accumulative_counts',
    'find_config_dict',
    'find_default_store',
    'find_fully_shard',
    'find_storage_key',
    'find_version',
    'hooks_removed',
    'initialized_by_a_parent',
    'inner_count_kept',
    'is_in_backward',
    'is_in_place',
    'is_lazy_config',
    'leave_out_of_ddp',
    'let_configs_inherit',
    'make_wrapper_subclass',
    'not_compiled',
    'run_hook_first',
    'set_scale_update',
    'shard_like',
    'skips_seen_batches',
    'tree_flatten',
    'tree_leaves',
    'tree_map_only',
    'tree_unflatten',
    'unset_fake_temporarily',
]
