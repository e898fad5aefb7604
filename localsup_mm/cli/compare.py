"""Compare memory and time of ways to train a network.

From the first config end-to-end training is derived, `e2e`, and the same with
activation checkpoints, `with_cp`. Each config with local modules adds its own
method (`infopro`, `greedy`, `dgl`, `predsim`, `contsup`, `auglocal` or `man`,
with its K where there are several), alone and `+with_cp`; on demand also
`greedy`, InfoPro without decoders. Steps take turns on the same random batch.
Timed ones of different kinds also tell --macs-per-byte, which the planner
takes. With --fake they are counted on fake tensors: memory and compute, but no
time, without a GPU.

example:
  localsup compare configs/infopro/deeplabv3_r101_cityscapes.py --fake
"""

import argparse
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.registry import OPTIMIZERS
from torch import nn

from ..analysis import (
    Method,
    add_time_ratios,
    build_model,
    derive_methods,
    describe_setting,
    draw_bars,
    draw_front,
    find_versions,
    fit_macs_per_byte,
    format_methods,
    measure_all,
    name_machine,
    predict_all,
    read_comparable,
)
from ..hosts import find_checkpointing_layers, find_host, name_type
from ..hosts.activation_checkpointing import CHECKPOINT_FLAGS
from ..tracing import find_image_channels
from .arguments import add_shared, read_size

__all__ = ['add_arguments', 'run']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command.

    Args:
        parser (argparse.ArgumentParser): Changed in place.
    """
    add_shared(parser, 'configs', '--batch', '--size', '--amp')
    parser.add_argument(
        '--methods',
        nargs='+',
        metavar='NAME',
        help='compare these alone, e.g. infopro greedy',
    )
    parser.add_argument(
        '--fake', action='store_true', help='count on fake tensors, no time'
    )
    add_shared(parser, '--rounds', '--threads', '--json', '--chart')
    parser.add_argument(
        '--chart-kind',
        choices=['front', 'bars'],
        default='front',
        help='memory against time (with --fake MACs), or memory alone '
        '(%(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Compare the methods; print a table, write figures and a chart.

    Args:
        args (argparse.Namespace): The command line.
    """
    size = read_size(args)
    _check_numbers(args)
    warnings.filterwarnings('ignore', category=UserWarning)
    # the hosts log how each parameter is initialized
    MMLogger.get_current_instance().setLevel('WARNING')
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    cfgs = [read_comparable(path, size) for path in args.configs]
    cfg = cfgs[0]
    torch.backends.cudnn.benchmark = cfg.get('env_cfg', {}).get(
        'cudnn_benchmark', False
    )
    batch = args.batch or cfg.train_dataloader.batch_size
    size = size or find_host(cfg).find_image_size(cfg)
    amp = args.amp or 'Amp' in str(cfg.optim_wrapper.get('type'))
    methods = _choose_methods(derive_methods(*cfgs), args.methods)
    model = build_model(methods['e2e'])
    image_channels = find_image_channels(model.backbone, size)
    notes = _find_notes(methods, model)
    del model  # its memory is not that of a method
    methods = {n: m for n, m in methods.items() if n not in notes}
    if args.fake:
        results = predict_all(methods, batch, size, amp)
    else:
        results = measure_all(methods, batch, size, amp, args.rounds)
    add_time_ratios(results)
    for name, method in methods.items():
        results[name]['boundaries'] = method.boundaries
    shape = find_host(cfg).make_input_shape(cfg, batch, image_channels, size)
    setting = _describe(args, cfgs, shape, amp)
    title = f'{args.configs[0]}: {describe_setting(setting)}'
    print(f'\n{title}\n')
    print(format_methods(results, notes), flush=True)
    macs_per_byte = fit_macs_per_byte(results)
    if macs_per_byte is not None:
        print(
            '\nTo move a byte outside of convs and matrix products took as '
            f'long here as {macs_per_byte:.1f} MACs: for the planner '
            f'--macs-per-byte {macs_per_byte:.1f}'
        )
    if args.json is not None:
        path = Path(args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = dict(setting, methods=results, not_measured=notes)
        path.write_text(json.dumps(content, indent=2) + '\n')
    if args.chart is not None:
        _draw(args, results, methods, setting)
        print(f'Chart: {args.chart}', flush=True)


def _check_numbers(args: argparse.Namespace) -> None:
    for name in ('batch', 'threads'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(
                f'`--{name}` should be at least 1, but got {value}. Leave it '
                'out for the default.'
            )
    if args.rounds is None:
        args.rounds = 0 if args.fake else 10
    if args.rounds < 0 or args.rounds == 1:
        raise ValueError(
            f'`--rounds` should be at least 2, but got {args.rounds}. '
            'Quartiles need two; 0 is memory only.'
        )
    if args.fake and args.rounds:
        raise ValueError(
            '`--rounds` should be 0 with --fake, which runs nothing, but got '
            f'{args.rounds}. Leave one of them out.'
        )


def _choose_methods(
    methods: dict[str, Method], names: Optional[Sequence[str]]
) -> dict[str, Method]:
    """Take those asked for, and end-to-end before them."""
    if names is None:
        return {n: m for n, m in methods.items() if not m.is_optional}
    for name in names:
        if name not in methods:
            raise ValueError(
                f'`--methods` should be of {list(methods)} for these '
                f'configs, but got {name!r}. Separate them by spaces.'
            )
    return {name: methods[name] for name in dict.fromkeys(['e2e', *names])}


def _find_notes(
    methods: dict[str, Method], model: nn.Module
) -> dict[str, str]:
    """Say of methods that cannot be measured why they cannot."""
    if find_checkpointing_layers(model):
        return {}
    flags = ' or '.join(CHECKPOINT_FLAGS)
    return {
        name: f'no layer of the host has {flags}'
        for name, method in methods.items()
        if method.with_cp
    }


def _describe(
    args: argparse.Namespace,
    cfgs: Sequence[Config],
    input_shape: tuple[int, ...],
    amp: bool,
) -> dict:
    device, memory = get_device(), 'live bytes'
    if args.fake:
        device, memory = 'none', 'fake tensors'
    elif device == 'cuda':
        memory = 'max_memory_allocated'
    return dict(
        configs=args.configs,
        input_shape=input_shape,
        precision='AMP' if amp else 'float32',
        device=device,
        memory=memory,
        optimizer=name_type(cfgs[0].optim_wrapper.optimizer, OPTIMIZERS),
        step_each_module=any(
            cfg.optim_wrapper.get('step_each_module') for cfg in cfgs
        ),
        num_threads=torch.get_num_threads(),
        num_rounds=args.rounds,
        machine=name_machine(device),
        versions=find_versions(find_host(cfgs[0]).scope),
    )


def _draw(
    args: argparse.Namespace,
    results: dict[str, dict],
    methods: dict[str, Method],
    setting: dict,
) -> None:
    title = f'{Path(args.configs[0]).stem}\n{describe_setting(setting)}'
    peaks = {name: r['peak_memory'] for name, r in results.items()}
    if args.chart_kind == 'bars':
        labels = {name: method.label for name, method in methods.items()}
        draw_bars(peaks, labels, title, Path(args.chart))
        return
    e2e = results['e2e']
    if 'time_ratio' in e2e:
        xlabel = 'time of a training step / end-to-end'
        costs = {n: r['time_ratio'][1] for n, r in results.items()}
    else:
        xlabel = 'MACs of a training step / end-to-end'
        costs = {
            n: r['step_macs'] / e2e['step_macs'] for n, r in results.items()
        }
    points = {name: (costs[name], peaks[name] / 2**30) for name in peaks}
    draw_front(points, xlabel, title, Path(args.chart))
