"""Running parts of a model again in the backward, to save memory."""

from .kept_products import outside_first_runs
from .recompute_modules import find_recomputed, recompute_modules

__all__ = ['find_recomputed', 'outside_first_runs', 'recompute_modules']
