"""Memory of a training iteration, before it runs, and where to cut."""

from .byte_size import format_bytes, parse_bytes
from .config_workload import read_training, read_workload
from .data_samples import find_annotations, find_data_samples
from .default_aux_nets import default_aux_nets, find_num_classes
from .fake_step import FakeStep
from .host_model import build_host_model, drop_pretrained
from .image_size import find_image_size, parse_image_size
from .mac_counter import MacCounter
from .planner import Plan, Planner
from .resolve_auto import CONDITIONS, resolve_auto
from .step_cost import StepCost, measure_step, peak_memory
from .workload import Workload

__all__ = [
    'CONDITIONS',
    'FakeStep',
    'MacCounter',
    'Plan',
    'Planner',
    'StepCost',
    'Workload',
    'build_host_model',
    'default_aux_nets',
    'drop_pretrained',
    'find_annotations',
    'find_data_samples',
    'find_image_size',
    'find_num_classes',
    'format_bytes',
    'measure_step',
    'parse_bytes',
    'parse_image_size',
    'peak_memory',
    'read_training',
    'read_workload',
    'resolve_auto',
]
