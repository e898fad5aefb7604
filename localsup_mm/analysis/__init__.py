"""Ways to train one network, side by side: memory, time and accuracy."""

from .accuracy import GridRunner
from .accuracy_table import SettingCost, count_setting, make_accuracy_table
from .charts import draw_bars, draw_curves, draw_front, find_pareto_front
from .grid import Cell, Grid, read_grid
from .inference_cost import InferenceCost, count_at_inference
from .method_cost import measure_all, predict_all, predict_cost
from .methods import (
    Method,
    build_model,
    derive_methods,
    name_method,
    prepare_config,
    read_config,
    to_end_to_end,
)
from .paired_time import ratio_quartiles, time_in_turns
from .setting import describe_setting, find_versions, name_machine
from .synthetic_batch import make_batch
from .tables import add_time_ratios, format_methods, format_table, write_csv
from .training_run import TrainingRun

__all__ = [
    'Cell',
    'Grid',
    'GridRunner',
    'InferenceCost',
    'Method',
    'SettingCost',
    'TrainingRun',
    'add_time_ratios',
    'build_model',
    'count_at_inference',
    'count_setting',
    'derive_methods',
    'describe_setting',
    'draw_bars',
    'draw_curves',
    'draw_front',
    'find_pareto_front',
    'find_versions',
    'format_methods',
    'format_table',
    'make_accuracy_table',
    'make_batch',
    'measure_all',
    'name_machine',
    'name_method',
    'predict_all',
    'predict_cost',
    'prepare_config',
    'ratio_quartiles',
    'read_config',
    'read_grid',
    'time_in_turns',
    'to_end_to_end',
    'write_csv',
]
