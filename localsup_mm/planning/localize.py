"""A config that trains a host's network by local modules."""

from typing import Optional, Union

from mmengine.config import Config
from mmengine.registry import MODELS, OPTIM_WRAPPERS, DefaultScope

from ..engine import AMP_FORMS, LOCAL_FORMS
from ..hosts import find_checkpoint_argument, find_host, name_type
from ..recomputation import join_recompute
from ..simulation import Workload
from .make_planner import make_planner
from .memory_model import MACS_PER_BYTE
from .plan import Plan
from .search import BOUNDARY_TIME

__all__ = ['check_end_to_end', 'localize']


def localize(
    cfg: Config,
    workload: Workload,
    method: str = 'infopro',
    num_local_modules: Optional[int] = None,
    memory_budget: Union[int, str, None] = None,
    with_cp: bool = False,
    batch_size: Optional[int] = None,
    recompute: str = 'none',
    macs_per_byte: float = MACS_PER_BYTE,
    boundary_time: float = BOUNDARY_TIME,
) -> tuple[dict, Plan]:
    """Plan the local modules of a training and tell what its config sets.

    Args:
        cfg (Config): Config of a training, end to end.
        workload (Workload): Its training step, as :func:`read_workload`
            reads it; mixed precision and ``step_each_module`` are taken from
            there.
        method (str): One of ``hosts.METHODS``. Defaults to ``'infopro'``.
        num_local_modules (int, optional): See :meth:`Planner.plan`. Defaults
            to None.
        memory_budget (int | str, optional): See :meth:`Planner.plan`.
            Defaults to None.
        with_cp (bool): Whether the config turns on activation checkpointing
            inside of local modules. Defaults to False: ``cfg`` decides.
        batch_size (int, optional): Images on one device. Defaults to None:
            that of ``cfg``.
        recompute (str): See :func:`make_planner`. Defaults to ``'none'``.
        macs_per_byte (float): See :func:`make_planner`. Defaults to 10.
        boundary_time (float): See :func:`find_choices`. Defaults to 0.01.

    Returns:
        tuple[dict, Plan]: Settings that differ from ``cfg``, as
        :func:`write_config` takes them, and the plan. ``local`` are the
        arguments of :func:`LocalBackbone`, ``backbone`` changes of the plain
        backbone; the others are keys of the config.

    Raises:
        ValueError: If the method has no aux nets for the host's task, or
            there is no such plan.
    """
    aux_nets, context_supply = find_host(cfg).make_aux_nets(
        cfg, method, workload.input_shape[-2:]
    )
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        planner = make_planner(
            workload,
            aux_nets,
            context_supply,
            recompute=recompute,
            macs_per_byte=macs_per_byte,
            boundary_time=boundary_time,
        )
        plan = planner.plan(num_local_modules, memory_budget)
    boundaries = list(plan.boundaries)
    rule = dict(boundaries=boundaries, **planner.aux_nets)
    local: dict = dict(local_modules=rule)
    if planner.trace_size is not None:
        local['input_size'] = planner.trace_size
    if context_supply is not None and plan.boundaries:
        local['context_supply'] = context_supply
    backbone = {}
    if with_cp:
        backbone[find_checkpoint_argument(workload.model.backbone)] = True
    wrapper: dict = dict(type='LocalDistributedDataParallel')
    if cfg.get('find_unused_parameters'):
        wrapper.update(find_unused_parameters=True)
    changes = dict(
        local=local,
        backbone=backbone,
        optim_wrapper=_change_optim_wrapper(cfg, workload),
        model_wrapper_cfg=_replace(cfg, 'model_wrapper_cfg', wrapper),
        default_hooks=dict(
            checkpoint=dict(type='SafeCheckpointHook'),
            setup_check=dict(type='SetupCheckHook'),
        ),
        custom_imports=dict(imports=_find_imports(cfg)),
    )
    if plan.recompute:
        names = join_recompute(cfg.get('recompute'), plan.recompute)
        changes['recompute'] = _replace(cfg, 'recompute', names)
        changes['default_hooks']['recompute'] = dict(type='RecomputeHook')
    if batch_size is not None:
        changes['train_dataloader'] = dict(batch_size=batch_size)
    return changes, plan


def check_end_to_end(cfg: Config, name: str) -> None:
    """Refuse what cannot be localized.

    Args:
        cfg (Config): Config of a training.
        name (str): Its file, for messages.

    Raises:
        ValueError: If it is locally supervised already, or trains with an
            optimizer wrapper that has no local form.
    """
    if name_type(cfg.model.backbone, MODELS) == 'LocalBackbone':
        raise ValueError(
            '`config` should train end to end, but got '
            f'{name!r}, which is locally supervised already. Convert the '
            'config it inherits from, or change its local_modules.'
        )
    kind = name_type(cfg.optim_wrapper, OPTIM_WRAPPERS, 'OptimWrapper')
    if kind not in LOCAL_FORMS:
        raise ValueError(
            f'`optim_wrapper` should be one of {list(LOCAL_FORMS)}, but '
            f'got {kind!r} in {name!r}. Set another one in the config first.'
        )


def _change_optim_wrapper(cfg: Config, workload: Workload) -> dict:
    """Make the settings in which the local optimizer wrapper differs."""
    kind = name_type(cfg.optim_wrapper, OPTIM_WRAPPERS, 'OptimWrapper')
    if workload.autocast_dtype is not None:
        kind = AMP_FORMS.get(kind, kind)
    changes: dict = dict(type=LOCAL_FORMS[kind])
    if workload.step_each_module:
        changes['step_each_module'] = True
        if kind in AMP_FORMS.values():
            # a loss scale would skip the step of all modules at once
            changes['dtype'] = 'bfloat16'
            changes['loss_scale'] = _replace(
                cfg.optim_wrapper, 'loss_scale', dict(enabled=False)
            )
    return changes


def _replace(base: dict, key: str, value: dict) -> dict:
    """Make a setting take the place of an inherited one.

    Args:
        base (dict): The inherited settings.
        key (str): Key of the setting.
        value (dict): The setting.

    Returns:
        dict: The setting with ``_delete_`` where one is inherited; elsewhere
        mmengine would leave that key in the config.
    """
    return dict(_delete_=True, **value) if key in base else value


def _find_imports(cfg: Config) -> list[str]:
    """Find what a config imports, and add this package."""
    imports = cfg.get('custom_imports', {}).get('imports', [])
    imports = [imports] if isinstance(imports, str) else imports
    return list(dict.fromkeys([*imports, 'localsup_mm']))
