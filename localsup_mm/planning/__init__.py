"""Where to cut a network, for a memory budget or a number of local modules."""

from .make_planner import make_planner
from .plan import Plan
from .planner import Planner
from .resolve_auto import CONDITIONS, resolve_auto

__all__ = [
    'CONDITIONS',
    'Plan',
    'Planner',
    'make_planner',
    'resolve_auto',
]
