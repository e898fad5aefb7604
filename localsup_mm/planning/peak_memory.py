"""Peak memory of a training iteration, without a GPU."""

from ..engine.live_bytes import LiveBytes
from .fake_step import FakeStep
from .workload import Workload

__all__ = ['peak_memory']


def peak_memory(workload: Workload) -> int:
    """Peak memory of a training iteration, from fake tensors.

    Counts parameters, gradients, optimizer state and activations, as
    allocated; not what kernels take for themselves. An hour's run on a large
    GPU takes seconds on a laptop.

    Args:
        workload (Workload): What is trained; its model is not changed.

    Returns:
        int: Bytes.
    """
    step = FakeStep(workload)
    with step.running(), LiveBytes(step.model, step.optimizer) as live:
        step.run()
    return live.peak
