"""Everything that knows mmseg, mmdet, mmpretrain or mmcv by name."""

from .activation_checkpointing import (
    find_checkpoint_argument,
    find_checkpoints,
    is_checkpointed,
    let_checkpoint,
    set_checkpoints,
)
from .build import build_part
from .compiled_ops import (
    adapted_compiled_ops,
    let_compiled_ops_take_bfloat16,
)
from .data_samples import find_annotations, find_data_samples
from .default_aux_nets import default_aux_nets, find_num_classes
from .image_size import find_image_size, parse_image_size
from .read_config import read_training

__all__ = [
    'adapted_compiled_ops',
    'build_part',
    'default_aux_nets',
    'find_annotations',
    'find_checkpoint_argument',
    'find_checkpoints',
    'find_data_samples',
    'find_image_size',
    'find_num_classes',
    'is_checkpointed',
    'let_checkpoint',
    'let_compiled_ops_take_bfloat16',
    'parse_image_size',
    'read_training',
    'set_checkpoints',
]
