"""Compare ways to train a network: memory, time, compute and parameters.

    python tools/analysis_tools/compare_memory.py \
        configs/infopro/deeplabv3_r18_k4_camvid.py --plot memory_time.png

From a locally supervised config these are derived, all of the same network
and on the same random batch:

- ``e2e``: the host's end-to-end training without checkpoints, also where the
  config has them; what the others are compared with;
- ``with_cp``: the same with activation checkpoints;
- ``infopro``: the config, likewise without; or ``greedy``, ``dgl``,
  ``predsim`` or ``contsup``, by what it has; and ``infopro+with_cp``;
- ``greedy``, if asked for: the config without decoders; ``greedy+with_cp``.

From an end-to-end config, the first two. Peak memory is what torch's allocator
counts on a GPU, the bytes of living tensors on a CPU, and with ``--fake`` the
bytes of fake tensors: no run, so neither time nor a GPU is needed. Steps take
turns, A B B A, so that a busy machine slows all of them alike.
"""

import argparse
import json
import os
import platform
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Optional

import torch
from memory_time_plot import plot_front
from method_costs import (
    add_ratios,
    format_table,
    measure_all,
    predict_all,
)
from mmengine.device import get_device
from mmengine.logging import MMLogger
from training_methods import (
    Method,
    build_model,
    derive_methods,
    read_config,
)

from localsup_mm.hosts import (
    find_checkpoints,
    find_host,
    parse_image_size,
)
from localsup_mm.hosts.activation_checkpointing import CHECKPOINT_FLAGS


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help="a file, or 'mmdet::...' for one that a host brings"
    )
    parser.add_argument(
        '--methods', help='by comma; all but greedy where left out'
    )
    parser.add_argument('--batch', type=int, help='images; as the config')
    parser.add_argument('--size', help='HxW in pixels; as the config')
    parser.add_argument(
        '--rounds', type=int, help='to time; 10, or 0 for memory only'
    )
    parser.add_argument('--threads', type=int, help='of torch')
    parser.add_argument(
        '--amp', action='store_true', help='mixed precision; bfloat16 on a CPU'
    )
    parser.add_argument(
        '--fake', action='store_true', help='count on fake tensors, no time'
    )
    parser.add_argument('--json', type=Path, help='write all numbers there')
    parser.add_argument(
        '--plot', type=Path, help='draw memory against time, or else MACs'
    )
    args = parser.parse_args(argv)
    if args.size is not None:
        args.size = parse_image_size(args.size)
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
    return args


def choose_methods(
    methods: dict[str, Method], names: Optional[str]
) -> dict[str, Method]:
    """Those asked for, and end-to-end before them.

    Args:
        methods (dict[str, Method]): All there are.
        names (str, optional): Some of them, by comma; None for all but
            those derived by leaving out decoders.

    Returns:
        dict[str, Method]: In the order of the names.

    Raises:
        ValueError: If one of them is unknown.
    """
    # those without decoders come last
    chosen = list(methods)[:4] if names is None else names.split(',')
    for name in chosen:
        if name not in methods:
            raise ValueError(
                f'`--methods` should be of {list(methods)} for this config, '
                f'but got {name!r}. Separate them by commas.'
            )
    return {name: methods[name] for name in dict.fromkeys(['e2e', *chosen])}


def find_notes(methods: dict[str, Method]) -> dict[str, str]:
    """Say of methods that cannot be measured why they cannot."""
    if find_checkpoints(build_model(methods['e2e'])):
        return {}
    flags = ' or '.join(CHECKPOINT_FLAGS)
    return {
        name: f'no layer of the host has {flags}'
        for name, method in methods.items()
        if method.with_cp
    }


def plot(results: dict[str, dict], setting: dict, path: Path) -> None:
    """Draw memory against time; where none was taken, against MACs."""
    e2e = results['e2e']
    if 'time_ratio' in e2e:
        xlabel = 'time of a training step / end-to-end'
        costs = {n: r['time_ratio'][1] for n, r in results.items()}
    else:
        xlabel = 'MACs of a training step / end-to-end'
        costs = {
            n: r['step_macs'] / e2e['step_macs'] for n, r in results.items()
        }
    points = {
        n: (costs[n], r['peak_memory'] / 2**30) for n, r in results.items()
    }
    title = f'{Path(setting["config"]).stem}\n{describe(setting)}'
    plot_front(points, xlabel, title, path)


def describe(setting: dict) -> str:
    """On what the methods were measured, in a line."""
    shape = ' x '.join(map(str, setting['input_shape']))
    return (
        f'{shape}, {setting["precision"]}, {setting["device"]}, '
        f'memory: {setting["memory"]}'
    )


def name_machine(device: str) -> str:
    """The GPU, or the kind of CPU."""
    if device == 'cuda':
        return torch.cuda.get_device_name()
    return f'{platform.machine()}, {os.cpu_count()} cores'


def find_versions(host: str) -> dict[str, str]:
    """Of what has a say in the numbers."""
    packages = dict.fromkeys(['torch', 'mmengine', host, 'localsup_mm'])
    return {
        'python': platform.python_version(),
        **{name: import_module(name).__version__ for name in packages},
    }


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore', category=UserWarning)
    # the hosts log how each parameter is initialized
    MMLogger.get_current_instance().setLevel('WARNING')
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    cfg = read_config(args.config, args.size)
    torch.backends.cudnn.benchmark = cfg.get('env_cfg', {}).get(
        'cudnn_benchmark', False
    )
    num_images = args.batch or cfg.train_dataloader.batch_size
    size = args.size or find_host(cfg).find_image_size(cfg)
    amp = args.amp or 'Amp' in str(cfg.optim_wrapper.get('type'))
    methods = choose_methods(derive_methods(cfg), args.methods)
    notes = find_notes(methods)
    methods = {n: m for n, m in methods.items() if n not in notes}
    if args.fake:
        device, memory = 'none', 'fake tensors'
        results = predict_all(methods, num_images, size, amp)
    else:
        device = get_device()
        memory = 'max_memory_allocated' if device == 'cuda' else 'live bytes'
        results = measure_all(methods, num_images, size, amp, args.rounds)
    add_ratios(results)
    setting = dict(
        config=args.config,
        input_shape=(num_images, 3, *size),
        precision='AMP' if amp else 'float32',
        device=device,
        memory=memory,
        optimizer=cfg.optim_wrapper.optimizer.type,
        step_each_module=cfg.optim_wrapper.get('step_each_module', False),
        num_threads=torch.get_num_threads(),
        num_rounds=args.rounds,
        machine=name_machine(device),
        versions=find_versions(cfg.default_scope),
    )
    for name, method in methods.items():
        results[name]['boundaries'] = method.boundaries
    print(f'\n{args.config}: {describe(setting)}\n')
    print(format_table(results, notes), flush=True)
    if args.json is not None:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        content = dict(setting, methods=results, not_measured=notes)
        args.json.write_text(json.dumps(content, indent=2) + '\n')
    if args.plot is not None:
        plot(results, setting, args.plot)
        print(f'Plot: {args.plot}', flush=True)


if __name__ == '__main__':
    main()
