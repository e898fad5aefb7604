"""Costs of several ways to train a network, on the same batch."""

import time

from mmengine.runner import set_random_seed

from ..simulation import StepCost, measure_step, read_workload
from ..tracing import find_image_channels
from .methods import Method
from .paired_time import time_in_turns
from .synthetic_batch import make_batch
from .training_run import TrainingRun, release_memory

__all__ = ['measure_all', 'predict_all', 'predict_cost']


def predict_cost(
    method: Method,
    num_images: int,
    size: tuple[int, int],
    amp: bool = False,
) -> StepCost:
    """Predict the costs of an iteration, on fake tensors.

    Args:
        method (Method): How the network is trained.
        num_images (int): The batch size, B.
        size (tuple[int, int]): H and W, in pixels.
        amp (bool): Whether it is trained in mixed precision. Defaults to
            False.

    Returns:
        StepCost: Its memory is the bytes of living tensors.
    """
    workload = read_workload(
        method.cfg, num_images, size, amp, method.with_cp, is_local=True
    )
    return measure_step(workload)


def predict_all(
    methods: dict[str, Method],
    num_images: int,
    size: tuple[int, int],
    amp: bool = False,
) -> dict[str, dict]:
    """Predict the costs of each method; print each when it is there.

    Args:
        methods (dict[str, Method]): The methods by name.
        num_images (int): The batch size, B.
        size (tuple[int, int]): H and W, in pixels.
        amp (bool): Whether they train in mixed precision. Defaults to False.

    Returns:
        dict[str, dict]: The figures of each method: ``peak_memory`` of an
        iteration in bytes, its ``forward_macs`` and ``step_macs``, the
        ``parameters`` of the model, and the ``moved_bytes`` of all ops but
        convs and matrix products.
    """
    results = {}
    for name, method in methods.items():
        begin = time.monotonic()
        cost = predict_cost(method, num_images, size, amp)
        results[name] = _report(name, cost, begin)
    return results


def measure_all(
    methods: dict[str, Method],
    num_images: int,
    size: tuple[int, int],
    amp: bool = False,
    num_rounds: int = 0,
) -> dict[str, dict]:
    """Run each method on the same batch, first alone, then in turns.

    Args:
        methods (dict[str, Method]): The methods by name, ``e2e`` first.
        num_images (int): The batch size, B.
        size (tuple[int, int]): H and W, in pixels.
        amp (bool): Whether they train in mixed precision. Defaults to False.
        num_rounds (int): How often each is timed. Defaults to 0.

    Returns:
        dict[str, dict]: The figures of each method, with the keys of
        :func:`predict_all` and with ``seconds``, one a round.
    """
    run = TrainingRun(methods['e2e'], amp)
    weights = {
        name: tensor.cpu().clone()
        for name, tensor in run.model.state_dict().items()
    }
    set_random_seed(0)
    channels = find_image_channels(run.model.backbone, size)
    batch = make_batch(methods['e2e'].cfg, num_images, size, channels)
    results = {}
    for name, method in methods.items():
        del run  # its memory is not that of the next one
        release_memory()
        begin = time.monotonic()
        run = TrainingRun(method, amp, weights)
        results[name] = _report(name, run.measure(batch), begin)
    del run
    release_memory()
    if num_rounds:
        runs = {n: TrainingRun(m, amp, weights) for n, m in methods.items()}
        steps = {name: run.step for name, run in runs.items()}
        time_in_turns(steps, batch, 1)  # to warm up
        seconds = time_in_turns(steps, batch, num_rounds)
        for name in results:
            results[name]['seconds'] = seconds[name]
    return results


def _report(name: str, cost: StepCost, begin: float) -> dict:
    print(
        f'{name:<20}{cost.peak_memory / 2**30:8.3f} GiB  '
        f'({time.monotonic() - begin:.0f} s)',
        flush=True,
    )
    return dict(
        peak_memory=cost.peak_memory,
        forward_macs=cost.forward_macs,
        step_macs=cost.step_macs,
        parameters=cost.parameters,
        moved_bytes=cost.moved_bytes,
    )
