"""A training iteration on fake tensors: what it costs, without running it."""

from .build_model import build_host_model, drop_pretrained
from .fake_step import FakeStep
from .first_iteration import in_first_iteration
from .read_workload import read_workload
from .step_cost import StepCost, measure_step, peak_memory
from .workload import Workload

__all__ = [
    'FakeStep',
    'StepCost',
    'Workload',
    'build_host_model',
    'drop_pretrained',
    'in_first_iteration',
    'measure_step',
    'peak_memory',
    'read_workload',
]
