"""What a training iteration costs, without a GPU."""

from dataclasses import dataclass

from ..metering import LiveBytes, MacCounter
from .fake_step import FakeStep
from .workload import Workload

__all__ = ['StepCost', 'measure_step', 'peak_memory']


@dataclass(frozen=True)
class StepCost:
    """Of one iteration, on the whole batch.

    Args:
        module_peaks (tuple[int]): Bytes, while each local module trains;
            the last with neck, heads and the optimizer's step. End to end,
            one.
        forward_macs (int): Multiply-accumulates of convs and matrix
            products in forward passes, aux nets included.
        step_macs (int): The same with backwards, and what checkpointing
            computes again there.
    """

    module_peaks: tuple[int, ...]
    forward_macs: int
    step_macs: int

    @property
    def peak_memory(self) -> int:
        """Bytes, of the whole iteration."""
        return max(self.module_peaks)


def measure_step(workload: Workload) -> StepCost:
    """Count what a training iteration costs, on fake tensors.

    Its memory is parameters, gradients, optimizer state and activations, as
    allocated, gradients of earlier iterations where they accumulate. Not
    what kernels take for themselves, nor what hooks and wrappers hold, e.g.
    the copy of an EMA and DDP's buckets. An hour's run on a large GPU takes
    seconds on a laptop.

    Args:
        workload (Workload): What is trained; its model is not changed.

    Returns:
        StepCost: Of an iteration.
    """
    peaks: list[int] = []

    def take_peak() -> None:
        peaks.append(live.peak)
        live.peak = live.current

    step = FakeStep(workload, take_peak)
    live = LiveBytes(step.model, step.optimizer)
    with step.running(), live, MacCounter() as counter:
        step.run()
    take_peak()
    return StepCost(tuple(peaks), counter.forward, counter.total)


def peak_memory(workload: Workload) -> int:
    """Peak memory of a training iteration, see :func:`measure_step`.

    Args:
        workload (Workload): What is trained; its model is not changed.

    Returns:
        int: Bytes.
    """
    return measure_step(workload).peak_memory
