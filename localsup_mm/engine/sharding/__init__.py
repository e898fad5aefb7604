"""Sharing parameters, gradients and optimizer state among processes."""

from .shard_model import shard_model
from .sharded_wrapper import LocalFullyShardedDataParallel, is_sharded
from .whole_state_mixin import WholeStateMixin

__all__ = [
    'LocalFullyShardedDataParallel',
    'WholeStateMixin',
    'is_sharded',
    'shard_model',
]
