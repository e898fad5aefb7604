"""Running parts of a model again in the backward, to save memory."""

from .kept_products import outside_first_runs
from .recompute_modules import (
    can_recompute,
    find_recomputed,
    recompute_modules,
)
from .recompute_names import join_recompute, shorten

__all__ = [
    'can_recompute',
    'find_recomputed',
    'join_recompute',
    'outside_first_runs',
    'recompute_modules',
    'shorten',
]
