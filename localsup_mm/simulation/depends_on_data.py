"""Trying whether a training iteration reads values."""

from dataclasses import replace
from functools import partial

import torch

from .clear_frames import clear_frames
from .fake_step import FakeStep
from .workload import Workload

__all__ = ['depends_on_data']


def depends_on_data(workload: Workload) -> bool:
    """Tell whether a loss reads values, which fake tensors do not have.

    Args:
        workload (Workload): The training that is tried; its
            ``is_data_dependent`` should be False.

    Returns:
        bool: Whether neck and heads have to run on real tensors.
    """
    # an optimizer whose state takes no time
    sgd = partial(torch.optim.SGD, lr=0.1)
    step = FakeStep(replace(workload, make_optimizer=sgd))
    try:
        with step.running():
            step.compute_loss()
    except RuntimeError as error:
        # torch has many for it; another one comes again on real tensors
        clear_frames(error)
        return True
    return False
