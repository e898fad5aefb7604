"""Costs of several ways to train a network, side by side."""

import time
from dataclasses import asdict

from mmengine.runner import set_random_seed
from paired_time import ratio_quartiles, time_in_turns
from synthetic_batch import make_batch
from training_cost import (
    TrainingCost,
    TrainingRun,
    free_memory,
    measure_cost,
    predict_cost,
)
from training_methods import Method

COLUMNS = (
    'method',
    'peak memory (GiB)',
    'of e2e',
    'time / e2e (quartiles)',
    'extra forward MACs',
    'extra MACs a step',
    'extra parameters',
)


def measure_all(
    methods: dict[str, Method],
    num_images: int,
    size: tuple[int, int],
    amp: bool,
    num_rounds: int,
) -> dict[str, dict]:
    """Run each method on the same batch, first alone, then in turns.

    Args:
        methods (dict[str, Method]): By name, ``e2e`` first.
        num_images (int): B.
        size (tuple[int, int]): H and W, in pixels.
        amp (bool): Whether in mixed precision.
        num_rounds (int): How often each is timed.

    Returns:
        dict[str, dict]: Of each method, what :class:`TrainingCost` holds,
        and ``seconds``, one a round.
    """
    run = TrainingRun(methods['e2e'], amp)
    weights = {
        name: tensor.cpu().clone()
        for name, tensor in run.model.state_dict().items()
    }
    set_random_seed(0)
    batch = make_batch(methods['e2e'].cfg, num_images, size)
    results = {}
    for name, method in methods.items():
        del run  # its memory is not that of the next one
        free_memory()
        begin = time.monotonic()
        run = TrainingRun(method, amp, weights)
        results[name] = asdict(report(name, measure_cost(run, batch), begin))
    del run
    free_memory()
    if num_rounds:
        runs = {n: TrainingRun(m, amp, weights) for n, m in methods.items()}
        steps = {name: run.step for name, run in runs.items()}
        time_in_turns(steps, batch, 1)  # to warm up
        seconds = time_in_turns(steps, batch, num_rounds)
        for name in results:
            results[name]['seconds'] = seconds[name]
    return results


def predict_all(
    methods: dict[str, Method],
    num_images: int,
    size: tuple[int, int],
    amp: bool,
) -> dict[str, dict]:
    """Likewise on fake tensors, without running; no time."""
    results = {}
    for name, method in methods.items():
        begin = time.monotonic()
        cost = predict_cost(method, num_images, size, amp)
        results[name] = asdict(report(name, cost, begin))
    return results


def report(name: str, cost: TrainingCost, begin: float) -> TrainingCost:
    """Print a cost when it is there, and hand it on."""
    print(
        f'{name:<20}{cost.peak_memory / 2**30:8.3f} GiB  '
        f'({time.monotonic() - begin:.0f} s)',
        flush=True,
    )
    return cost


def add_ratios(results: dict[str, dict]) -> None:
    """Add the quartiles of time over that of end-to-end."""
    for result in results.values():
        if 'seconds' in result:
            result['time_ratio'] = ratio_quartiles(
                result['seconds'], results['e2e']['seconds']
            )


def format_table(results: dict[str, dict], notes: dict[str, str]) -> str:
    """A Markdown table, with a row for each method.

    Args:
        results (dict[str, dict]): Of each method that could be measured.
        notes (dict[str, str]): Why others could not.

    Returns:
        str: The table.
    """
    e2e = results['e2e']
    rows = [COLUMNS, ['---'] * len(COLUMNS)]
    for name, result in results.items():
        ratio = '-'
        if 'time_ratio' in result:
            low, median, high = result['time_ratio']
            ratio = f'{median:.3f} ({low:.3f} to {high:.3f})'
        rows.append(
            [
                name,
                f'{result["peak_memory"] / 2**30:.3f}',
                f'{result["peak_memory"] / e2e["peak_memory"]:.1%}',
                ratio,
                *(
                    f'{result[key] / e2e[key] - 1:+.1%}'
                    for key in ('forward_macs', 'step_macs', 'parameters')
                ),
            ]
        )
    rows += [[name, *'-----', note] for name, note in notes.items()]
    return ''.join('| ' + ' | '.join(row) + ' |\n' for row in rows)
