"""Where to cut a network, for a memory budget or a number of local modules."""

from .planner import Plan, Planner
from .resolve_auto import CONDITIONS, resolve_auto

__all__ = [
    'CONDITIONS',
    'Plan',
    'Planner',
    'resolve_auto',
]
