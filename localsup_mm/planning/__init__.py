"""Planner of cuts, for a memory budget or a number of local modules."""

from .balance import plan_balanced
from .candidates import find_candidates
from .find_aux_nets import find_aux_nets
from .localize import check_end_to_end, localize
from .make_planner import make_planner
from .plan import Plan
from .planner import Planner
from .resolve_auto import CONDITIONS, resolve_auto
from .write_config import check_out, write_config

__all__ = [
    'CONDITIONS',
    'Plan',
    'Planner',
    'check_end_to_end',
    'check_out',
    'find_aux_nets',
    'find_candidates',
    'localize',
    'make_planner',
    'plan_balanced',
    'resolve_auto',
    'write_config',
]
