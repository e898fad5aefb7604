"""Compare the time of a training step with a hand-written one.

The hand-written step is the same computation in the fewest words: a loop over
the blocks of the backbone with a backward and a detach at each boundary. Both
start from the same weights and get the same batch; that they leave the same
weights behind is checked first. Then they take turns, A B B A, in one process,
and so do the other contenders, so that a busy machine slows all of them alike:

- ``e2e``: the host's end-to-end step;
- ``with_cp``: the same with activation checkpoints;
- ``naive``: a hand-written step in the way of InfoPro's authors, for
  classification; see ``classification_step.py``.

    python benchmarks/step_time/benchmark_step.py --size 64x128 --rounds 15
    python benchmarks/step_time/benchmark_step.py --size 32x32 --batch 64 \
        --config configs/infopro/resnet32_k16_contrast_cifar10.py
"""

import argparse
import importlib
import statistics
from collections.abc import Sequence
from typing import Optional

import torch
from step_contenders import build_contenders, build_model
from torch import Tensor

from localsup_mm.analysis import (
    make_batch,
    ratio_quartiles,
    read_comparable,
    time_in_turns,
)
from localsup_mm.engine import prepare_model
from localsup_mm.hosts import parse_image_size

# By the scope of the config; each has HandWrittenStep
HAND_WRITTEN = {
    'mmpretrain': 'classification_step',
    'mmseg': 'segmentation_step',
}
# Of the largest change of a tensor. The naive step resizes first and rounds
# otherwise: some units near zero are then on the other side of a ReLU.
TOLERANCES = {'hand-written': 1e-4, 'naive': 1e-2}


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--config',
        default='configs/infopro/deeplabv3_r101_cityscapes.py',
        help='config with a locally supervised ResNetV1c of mmseg or '
        'CIFARResNet',
    )
    parser.add_argument('--size', default='64x128', help='HxW, in pixels')
    parser.add_argument('--batch', type=int, default=2, help='images')
    parser.add_argument('--rounds', type=int, default=15, help='turns of each')
    parser.add_argument('--threads', type=int, help='of torch')
    parser.add_argument(
        '--contenders',
        nargs='*',
        choices=['e2e', 'with_cp', 'naive'],
        default=['e2e', 'with_cp'],
        help='what else takes turns; none if empty',
    )
    args = parser.parse_args(argv)
    args.size = parse_image_size(args.size, '--size')
    # a norm on pooled features needs two images, quartiles need two rounds
    for name in ('batch', 'rounds'):
        if getattr(args, name) < 2:
            parser.error(
                f'`--{name}` should be at least 2, but got '
                f'{getattr(args, name)}. Leave it out for the default.'
            )
    return args


def check_equal_weights(
    name: str,
    before: dict[str, Tensor],
    after: dict[str, Tensor],
    expected: dict[str, Tensor],
) -> tuple[float, float]:
    """Check that one step of ours and of another led to the same weights.

    Args:
        name (str): The other, of ``TOLERANCES``.
        before (dict[str, Tensor]): Weights of both before it.
        after (dict[str, Tensor]): Ours.
        expected (dict[str, Tensor]): The other's; it may have more.

    Returns:
        tuple[float, float]: Maximum absolute difference, and maximum
        absolute change by the step, over all parameters and buffers but
        counters.

    Raises:
        RuntimeError: If they differ by more than rounding.
    """
    missing = sorted(after.keys() - expected.keys())
    if missing:
        raise RuntimeError(
            f'`{name}` should have the weights of the model, but got none '
            f'for {missing[:4]!r}. Choose another config.'
        )
    differences, changes = [], []
    for key, value in after.items():
        difference = max_difference(value, expected[key])
        change = max_difference(value, before[key])
        # Most changes are small: each tensor is judged by its own, and by
        # the last bits of its values.
        limit = TOLERANCES[name] * change + 5e-7 * value.abs().max().item()
        if not difference <= limit:
            raise RuntimeError(
                f'`{name}` should leave the same weights after a step, but '
                f'got a difference of {difference:.3g} in {key!r}, which '
                f'changed by {change:.3g}. One of them computes something '
                'else.'
            )
        if value.is_floating_point():
            differences.append(difference)
            changes.append(change)
    return max(differences), max(changes)


def max_difference(first: Tensor, second: Tensor) -> float:
    return (first.double() - second.double()).abs().max().item()


def format_ratio(
    seconds: dict[str, list[float]], name: str, reference: str
) -> str:
    values = seconds[name]
    low, median, high = ratio_quartiles(values, seconds[reference])
    return (
        f'{name} / {reference}: {median:.3f} '
        f'(quartiles {low:.3f} to {high:.3f}, {len(values)} rounds)'
    )


def print_result(seconds: dict[str, list[float]]) -> None:
    for name, values in seconds.items():
        print(f'  {name}: {statistics.median(values):.3f} s')
    print(format_ratio(seconds, 'ours', 'hand-written'))
    if 'e2e' in seconds:
        for name in seconds:
            if name != 'e2e':
                print(format_ratio(seconds, name, 'e2e'))


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cfg = read_comparable(args.config, args.size)
    hand_written = importlib.import_module(HAND_WRITTEN[cfg.default_scope])
    print(f'build {args.config}', flush=True)
    model = build_model(cfg)
    prepare_model(model)
    batch = make_batch(cfg, args.batch, args.size)
    contenders = build_contenders(cfg, model, hand_written, args.contenders)
    steps = {name: contenders[name].step for name in contenders}
    print('check', flush=True)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    steps['ours'](batch)
    for name in [name for name in steps if name in TOLERANCES]:
        steps[name](batch)
        difference, change = check_equal_weights(
            name, before, model.state_dict(), contenders[name].state_dict()
        )
        print(
            f'after one step of ours and {name}: maximum absolute difference '
            f'{difference:.3g}, maximum absolute change {change:.3g}',
            flush=True,
        )
    for contender in contenders.values():
        # a step takes as long, and noise does not make the losses diverge
        contender.optimizer.param_groups[0]['lr'] = 0.0
    time_in_turns(steps, batch, 1)
    seconds = time_in_turns(steps, batch, args.rounds)
    num_local_modules = len(model.backbone.local_supervision.local_modules) + 1
    print(
        f'K={num_local_modules}, {args.batch} x 3 x {args.size[0]} x '
        f'{args.size[1]}, {torch.get_num_threads()} threads; medians:'
    )
    print_result(seconds)


if __name__ == '__main__':
    main()
