"""``boundaries='auto'`` in a config."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, Optional, Union

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from ..hosts import write_out_types
from ..recomputation import join_recompute
from ..simulation import read_workload
from ..supervision import LocalModule, expand_local_modules
from .make_planner import make_planner
from .plan import Plan

__all__ = ['CONDITIONS', 'resolve_auto']

CONDITIONS = ('num_local_modules', 'memory_budget', 'input_shape', 'recompute')


def resolve_auto(cfg: Config) -> Optional[Plan]:
    """Choose the boundaries that a config leaves open.

    ``local_modules=dict(boundaries='auto', ...)`` becomes a list of names,
    the same each time, which is printed and written into the saved config.
    Besides the aux nets it takes ``num_local_modules=K`` or
    ``memory_budget='8GiB'`` (without both: the lowest memory), and
    ``input_shape=(B, C, H, W)`` where the config does not say it. With
    ``recompute='any'``, see :func:`make_planner`, what is computed again is
    chosen as well, and added to ``recompute`` of the config. In a list
    of K - 1 local modules with ``boundary='auto'`` each of them becomes a
    name; the aux nets of the first one are planned with.

    Args:
        cfg (Config): The whole config, changed in place.

    Returns:
        Plan: The chosen boundaries; None if nothing was open.

    Raises:
        ValueError: See :func:`make_planner` and :func:`read_workload`.
    """
    write_out_types(cfg)
    backbone = cfg.get('model', {}).get('backbone') or {}
    local_modules: Any = backbone.get('local_modules')
    rule = _find_open_rule(local_modules)
    if rule is None:
        return None
    _check(rule)
    shape = rule.get('input_shape')
    workload = read_workload(
        cfg,
        batch_size=shape and shape[0],
        image_size=shape and tuple(shape[2:]),
    )
    aux_nets = {
        key: value
        for key, value in rule.items()
        if key != 'boundaries' and key not in CONDITIONS
    }
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        planner = make_planner(
            workload,
            aux_nets,
            backbone.get('context_supply'),
            backbone.get('input_size'),
            rule.get('recompute', 'none'),
        )
        plan = planner.plan(
            rule.get('num_local_modules'), rule.get('memory_budget')
        )
    boundaries = list(plan.boundaries)
    if isinstance(local_modules, dict):
        for key in CONDITIONS:
            local_modules.pop(key, None)
        local_modules['boundaries'] = boundaries
    else:
        for local_module, name in zip(local_modules, boundaries):
            local_module['boundary'] = name
    if planner.trace_size is not None:
        backbone['input_size'] = planner.trace_size
    if not plan.boundaries:
        # nothing to supply with context
        backbone.pop('context_supply', None)
    if plan.recompute:
        cfg.recompute = join_recompute(cfg.get('recompute'), plan.recompute)
        hooks = cfg.setdefault('default_hooks', ConfigDict())
        hooks.setdefault('recompute', ConfigDict(type='RecomputeHook'))
    print_log(f'boundaries={boundaries}\n{plan.describe()}', logger='current')
    return plan


def _find_open_rule(
    local_modules: Union[dict, Sequence[dict], None],
) -> Optional[dict]:
    """Find what is to be planned, as a rule for all local modules."""
    if isinstance(local_modules, dict):
        is_open = local_modules.get('boundaries') == 'auto'
        return local_modules if is_open else None
    names = [m.get('boundary') for m in local_modules or ()]
    if not local_modules or 'auto' not in names:
        return None
    if set(names) != {'auto'}:
        raise ValueError(
            "`boundary` should be 'auto' in all of local_modules or in none, "
            f'but got {names}. Name the others or leave them to the planner '
            'too.'
        )
    first = {k: v for k, v in local_modules[0].items() if k != 'boundary'}
    return dict(first, num_local_modules=len(names) + 1, boundaries='auto')


def _check(local_modules: dict) -> None:
    """Check what is beside ``boundaries='auto'``."""
    known = {
        *signature(expand_local_modules).parameters,
        *signature(LocalModule).parameters,
        *CONDITIONS,
    } - {'options', 'boundary', 'earlier', 'partition'}
    unknown = sorted(set(local_modules) - known)
    if unknown:
        raise ValueError(
            "`local_modules` should have known keys with boundaries='auto', "
            f'but got {unknown}. There are {sorted(known)}; those of a config '
            'that is inherited go away with _delete_=True.'
        )
    if isinstance(local_modules.get('loss_weights'), str):
        raise ValueError(
            '`loss_weights` should be ((a, b), (c, d)) with boundaries='
            f"'auto', but got {local_modules['loss_weights']!r}, which is for "
            'certain K. Write them out.'
        )
    shape = local_modules.get('input_shape')
    if shape is not None and len(shape) != 4:
        raise ValueError(
            f'`input_shape` should be (B, C, H, W), but got {shape!r}. Write '
            'all four, or leave it out for that of the config.'
        )
