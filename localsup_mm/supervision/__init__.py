"""Cutting a backbone into local modules, each with losses of its own."""

from .context_supply import ContextSupply
from .local_backbone import LocalBackbone, supervise_locally
from .local_module import LocalModule
from .local_modules_config import expand_local_modules
from .local_step import LocalStep, lend_step
from .local_supervision import (
    LocalSupervision,
    find_supervised_backbones,
    local_parameters,
)
from .normalization import set_normalization
from .published_settings import LOSS_WEIGHTS, PARTITIONS

__all__ = [
    'LOSS_WEIGHTS',
    'PARTITIONS',
    'ContextSupply',
    'LocalBackbone',
    'LocalModule',
    'LocalStep',
    'LocalSupervision',
    'expand_local_modules',
    'find_supervised_backbones',
    'lend_step',
    'local_parameters',
    'set_normalization',
    'supervise_locally',
]
