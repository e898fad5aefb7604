"""Costs of a training iteration, counted without a GPU."""

from dataclasses import dataclass

from ..metering import LiveBytes, MacCounter
from .fake_step import FakeStep
from .workload import Workload

__all__ = ['StepCost', 'measure_step', 'peak_memory']


@dataclass(frozen=True)
class StepCost:
    """Memory and compute of one iteration on a whole batch.

    Args:
        module_peaks (tuple[int]): Peaks in bytes while each local module
            trains; the last one trains with neck and heads, and the
            optimizer's step counts there. There is one end to end, and
            where an iteration was run for real.
        forward_macs (int): Multiply-accumulates of convs and matrix
            products in forward passes, aux nets included.
        step_macs (int): Multiply-accumulates of forward passes and
            backwards, with what activation checkpointing computes again
            there.
        parameters (int): Number of parameters, those of aux nets included.
        moved_bytes (int): Bytes that all other ops read and return, in the
            whole step; see :class:`MacCounter`.
    """

    module_peaks: tuple[int, ...]
    forward_macs: int
    step_macs: int
    parameters: int
    moved_bytes: int

    @property
    def peak_memory(self) -> int:
        """The largest number of bytes that live in the iteration."""
        return max(self.module_peaks)


def measure_step(workload: Workload) -> StepCost:
    """Count what a training iteration costs, on fake tensors.

    Its memory is parameters, gradients, optimizer state and activations, as
    allocated, and gradients of earlier iterations where they accumulate. It
    leaves out what kernels take for themselves, and what hooks and wrappers
    hold, e.g. the copy of an EMA and DDP's buckets. What trains for an hour
    on a large GPU takes seconds on a laptop.

    Args:
        workload (Workload): The training that is measured; its model is not
            changed.

    Returns:
        StepCost: Memory and compute of one iteration.
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
    parameters = sum(p.numel() for p in workload.model.parameters())
    return StepCost(
        tuple(peaks),
        counter.forward,
        counter.total,
        parameters,
        counter.moved,
    )


def peak_memory(workload: Workload) -> int:
    """Count the peak memory of an iteration, see :func:`measure_step`.

    Args:
        workload (Workload): The training that is measured; its model is not
            changed.

    Returns:
        int: The peak, in bytes.
    """
    return measure_step(workload).peak_memory
