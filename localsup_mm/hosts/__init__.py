"""Everything that knows mmseg, mmdet, mmpretrain, mmaction or mmcv by name."""

from . import (  # noqa: F401 - registers them
    mmaction,
    mmdet,
    mmpretrain,
    mmseg,
)
from .activation_checkpointing import (
    allow_activation_checkpointing,
    find_checkpoint_argument,
    find_checkpointing_layers,
    set_activation_checkpointing,
    uses_activation_checkpointing,
)
from .attention_kernel import attention_as_on_gpu
from .aux_nets import METHODS
from .build import build_part
from .check_dataset import check_dataset, check_labels
from .compiled_ops import (
    adapted_compiled_ops,
    let_compiled_ops_take_bfloat16,
)
from .downloads import find_network_error
from .head_loss import compute_head_loss, reads_classes
from .host import Host
from .image_size import parse_image_size
from .known_hosts import (
    find_head_names,
    find_host,
    register_host,
)
from .label_maps import subsample_labels
from .loss_methods import LOSS_METHODS
from .loss_weight import weigh_losses
from .own_configs import (
    find_own_config,
    let_configs_inherit_any_host,
    let_configs_inherit_ours,
)
from .part_type import find_class, name_type, write_out_types
from .read_config import (
    make_inheritable,
    needs_copy,
    read_config,
    read_training,
)

__all__ = [
    'LOSS_METHODS',
    'METHODS',
    'Host',
    'adapted_compiled_ops',
    'allow_activation_checkpointing',
    'attention_as_on_gpu',
    'build_part',
    'check_dataset',
    'check_labels',
    'compute_head_loss',
    'find_checkpoint_argument',
    'find_checkpointing_layers',
    'find_class',
    'find_head_names',
    'find_host',
    'find_network_error',
    'find_own_config',
    'let_compiled_ops_take_bfloat16',
    'let_configs_inherit_any_host',
    'let_configs_inherit_ours',
    'make_inheritable',
    'name_type',
    'needs_copy',
    'parse_image_size',
    'read_config',
    'read_training',
    'reads_classes',
    'register_host',
    'set_activation_checkpointing',
    'subsample_labels',
    'uses_activation_checkpointing',
    'weigh_losses',
    'write_out_types',
]
