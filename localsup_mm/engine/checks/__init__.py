"""Checks that fail before the first iteration, not within it."""

from .data_check import check_data
from .empty_check import check_not_empty, empty_data_explained
from .pretrained_check import check_pretrained
from .setup_check import (
    check_batches,
    check_classes,
    check_gradients,
    check_model,
)
from .work_dir_check import check_work_dir

__all__ = [
    'check_batches',
    'check_classes',
    'check_data',
    'check_gradients',
    'check_model',
    'check_not_empty',
    'check_pretrained',
    'check_work_dir',
    'empty_data_explained',
]
