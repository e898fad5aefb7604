"""Write a config that trains a host's network by local modules.

    python tools/localize.py \
        mmseg::deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py \
        --method infopro --budget 4GiB -o my_config.py

The written config inherits from the given one and trains with tools/train.py.
Boundaries come from the planner, aux nets are cheap ones for the host's task;
both stand in it and can be edited.
"""

import argparse
import os.path as osp
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from mmengine.config import Config
from mmengine.registry import DefaultScope
from workload_arguments import add_workload_arguments, read_arguments

import localsup_mm  # noqa: F401 - registers everything
from localsup_mm.hosts import (
    METHODS,
    find_checkpoint_argument,
    find_host,
    read_training,
)
from localsup_mm.planning import make_planner

_AMP = 'AmpOptimWrapper'
OPTIM_WRAPPERS = {
    'OptimWrapper': 'LocalOptimWrapper',
    _AMP: 'LocalAmpOptimWrapper',
}


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--method', choices=METHODS, default='infopro')
    add_workload_arguments(parser)
    parser.add_argument('-o', '--out', required=True, help='config to write')
    return parser.parse_args(argv)


def check_out(path: str) -> None:
    """Check that a config can be written there without losing another.

    Args:
        path (str): Where to.

    Raises:
        ValueError: If it is no ``.py`` file, or exists.
    """
    if not path.endswith('.py') or osp.exists(path):
        raise ValueError(
            f'`--out` should be a new .py file, but got {path!r}, which '
            f'{"exists" if osp.exists(path) else "is none"}. Choose another '
            'name, or remove it.'
        )


def check_config(cfg: Config, name: str) -> None:
    """Refuse what cannot be converted.

    Args:
        cfg (Config): Of a training, end to end.
        name (str): Its file, for messages.

    Raises:
        ValueError: If it is locally supervised already, or trains with an
            optimizer wrapper that has no local form.
    """
    if cfg.model.backbone.get('type') == 'LocalBackbone':
        raise ValueError(
            '`config` should train end to end, but got '
            f'{name!r}, which is locally supervised already. Convert the '
            'config it inherits from, or change its local_modules.'
        )
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in OPTIM_WRAPPERS:
        raise ValueError(
            f'`optim_wrapper` should be one of {list(OPTIM_WRAPPERS)}, but '
            f'got {kind!r} in {name!r}. Set another one in the config first.'
        )


def make_optim_wrapper(cfg: Config, args: argparse.Namespace) -> dict:
    """Changes of the optimizer wrapper.

    Args:
        cfg (Config): Of a host.
        args (argparse.Namespace): The command line.

    Returns:
        dict: What differs from that of ``cfg``.
    """
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if args.amp:
        kind = _AMP
    changes: dict = dict(type=OPTIM_WRAPPERS[kind])
    if args.step_each_module:
        changes['step_each_module'] = True
        if kind == _AMP:
            # a loss scale would skip the step of all modules at once
            changes['dtype'] = 'bfloat16'
            changes['loss_scale'] = replacing(
                cfg.optim_wrapper, 'loss_scale', dict(enabled=False)
            )
    return changes


def replacing(base: dict, key: str, value: dict) -> dict:
    """A setting that takes the place of an inherited one.

    Args:
        base (dict): What is inherited.
        key (str): Of the setting.
        value (dict): The setting.

    Returns:
        dict: With ``_delete_`` where there is one; elsewhere mmengine would
        leave that in the config.
    """
    return dict(_delete_=True, **value) if key in base else value


def find_imports(cfg: Config) -> list[str]:
    """What a config imports, and ours."""
    imports = cfg.get('custom_imports', {}).get('imports', [])
    imports = [imports] if isinstance(imports, str) else imports
    return list(dict.fromkeys([*imports, 'localsup_mm']))


def write_config(path: str, header: str, base: str, changes: dict) -> None:
    """Write the config.

    Args:
        path (str): Where to.
        header (str): A comment.
        base (str): What it inherits, as on the command line.
        changes (dict): What it holds; ``backbone`` are changes of the base's
            backbone, ``local`` what :func:`LocalBackbone` takes besides.
    """
    if '::' not in base:
        base = osp.relpath(base, osp.dirname(osp.abspath(path)))
    changes = dict(changes)
    local, backbone = changes.pop('local'), changes.pop('backbone')
    kept = '_base_.model.backbone'
    if backbone:
        extra = ', '.join(
            f'{key}={value!r}' for key, value in backbone.items()
        )
        kept = f'dict({kept}, {extra})'
    arguments = ''.join(f'        {name}={name},\n' for name in local)
    lines = [f'# {line}' for line in header.splitlines()]
    text = '\n'.join([*lines, f'_base_ = [{base!r}]\n']) + (
        f'{Config(local).pretty_text.strip()}\n'
        'model = dict(\n'
        '    backbone=dict(\n'
        '        _delete_=True,\n'
        "        type='LocalBackbone',\n"
        f'        backbone={kept},\n'
        f'{arguments}'
        '    )\n'
        ')\n'
        f'{Config(changes).pretty_text.strip()}\n'
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding='utf-8')


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    # of hosts, about settings that do not matter here
    warnings.simplefilter('ignore')
    check_out(args.out)
    cfg = read_training(args.config)
    check_config(cfg, args.config)
    workload = read_arguments(cfg, args)
    aux_nets, context_supply = find_host(cfg).make_aux_nets(
        cfg, args.method, workload.input_shape[2:]
    )
    backbone = {}
    if args.with_cp:
        argument = find_checkpoint_argument(workload.model.backbone)
        backbone[argument] = True
    print(f'planning for {tuple(workload.input_shape)}', flush=True)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        planner = make_planner(workload, aux_nets, context_supply)
        plan = planner.plan(args.num_local_modules, args.budget)
    boundaries = list(plan.boundaries)
    local = dict(local_modules=dict(boundaries=boundaries, **planner.aux_nets))
    if context_supply is not None and plan.boundaries:
        local['context_supply'] = context_supply
    changes = dict(
        local=local,
        backbone=backbone,
        optim_wrapper=make_optim_wrapper(cfg, args),
        model_wrapper_cfg=replacing(
            cfg,
            'model_wrapper_cfg',
            dict(type='LocalDistributedDataParallel'),
        ),
        default_hooks=dict(
            checkpoint=dict(type='SafeCheckpointHook'),
            setup_check=dict(type='SetupCheckHook'),
        ),
        custom_imports=dict(imports=find_imports(cfg)),
    )
    if args.batch is not None:
        changes['train_dataloader'] = dict(batch_size=args.batch)
    shape = ' x '.join(map(str, workload.input_shape))
    header = f'{args.method}, planned for {shape}\n{plan.describe()}'
    if args.size:
        header += '\nThe size of images is not set here, but by the base.'
    write_config(args.out, header, args.config, changes)
    print(f'{plan.describe()}\nwrote {args.out}')


if __name__ == '__main__':
    main()
