"""``boundaries='auto'`` in a config."""

from typing import Optional

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from .config_workload import read_workload
from .planner import Plan, Planner

__all__ = ['resolve_auto']

_CONDITIONS = ('num_local_modules', 'memory_budget', 'input_shape')


def resolve_auto(cfg: Config) -> Optional[Plan]:
    """Choose the boundaries that a config leaves open.

    ``local_modules=dict(boundaries='auto', ...)`` becomes a list of names,
    the same each time, which is logged and so written into the saved config.
    Besides the aux nets it takes ``num_local_modules=K`` or
    ``memory_budget='8GiB'`` (without both: the lowest memory), and
    ``input_shape=(B, 3, H, W)`` where the config does not say it.

    Args:
        cfg (Config): The whole config, changed in place.

    Returns:
        Plan: What was chosen; None if nothing was open.

    Raises:
        ValueError: As :class:`Planner` and :func:`read_workload`.
    """
    backbone = cfg.get('model', {}).get('backbone') or {}
    local_modules = backbone.get('local_modules')
    if (
        not isinstance(local_modules, dict)
        or local_modules.get('boundaries') != 'auto'
    ):
        return None
    shape = local_modules.get('input_shape')
    workload = read_workload(
        cfg,
        batch_size=shape and shape[0],
        image_size=shape and tuple(shape[2:]),
    )
    aux_nets = {
        key: value
        for key, value in local_modules.items()
        if key != 'boundaries' and key not in _CONDITIONS
    }
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        plan = Planner(
            workload, aux_nets, backbone.get('context_supply')
        ).plan(
            local_modules.get('num_local_modules'),
            local_modules.get('memory_budget'),
        )
    for key in _CONDITIONS:
        local_modules.pop(key, None)
    local_modules.boundaries = list(plan.boundaries)
    print_log(
        f'boundaries={local_modules.boundaries}\n{plan.describe()}',
        logger='current',
    )
    return plan
