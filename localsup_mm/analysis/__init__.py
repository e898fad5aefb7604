"""Ways to train one network, side by side: memory, time and accuracy."""

from .accuracy_table import SettingCost, count_setting, make_accuracy_table
from .charts import draw_bars, draw_curves, draw_front, draw_probes
from .grid import Grid, read_grid
from .grid_queue import run_grid
from .grid_runner import GridRunner
from .inference_cost import count_at_inference
from .method_cost import measure_all, predict_all
from .methods import (
    Method,
    build_model,
    derive_methods,
    to_end_to_end,
)
from .paired_time import ratio_quartiles, time_in_turns
from .probes import Probes, make_probes
from .read_comparable import prepare_config, read_comparable
from .setting import describe_setting, find_versions, name_machine
from .synthetic_batch import make_batch
from .tables import add_time_ratios, format_methods, format_table, write_csv
from .work_ratio import fit_macs_per_byte

__all__ = [
    'Grid',
    'GridRunner',
    'Method',
    'Probes',
    'SettingCost',
    'add_time_ratios',
    'build_model',
    'count_at_inference',
    'count_setting',
    'derive_methods',
    'describe_setting',
    'draw_bars',
    'draw_curves',
    'draw_front',
    'draw_probes',
    'find_versions',
    'fit_macs_per_byte',
    'format_methods',
    'format_table',
    'make_accuracy_table',
    'make_batch',
    'make_probes',
    'measure_all',
    'name_machine',
    'predict_all',
    'prepare_config',
    'ratio_quartiles',
    'read_comparable',
    'read_grid',
    'run_grid',
    'time_in_turns',
    'to_end_to_end',
    'write_csv',
]
