"""Cutting a backbone into local modules, each with losses of its own."""

from .block_copier import BlockCopier
from .context_supply import ContextSupply
from .init_submodule import init_submodule
from .learns import learns
from .lend_step import lend_step
from .local_backbone import build_local_backbone, supervise_locally
from .local_module import LocalModule
from .local_modules_config import (
    expand_local_modules,
    list_local_modules,
    to_rule,
)
from .local_parameters import find_supervised_backbones, local_parameters
from .local_step import LocalStep
from .local_supervision import LocalSupervision
from .normalization import set_normalization
from .published_settings import LOSS_WEIGHTS, PARTITIONS
from .record_features import record_features
from .state_dict_keys import AUX_NETS, CONTEXT, is_aux_net, is_context_encoder

__all__ = [
    'AUX_NETS',
    'CONTEXT',
    'LOSS_WEIGHTS',
    'PARTITIONS',
    'BlockCopier',
    'ContextSupply',
    'LocalModule',
    'LocalStep',
    'LocalSupervision',
    'build_local_backbone',
    'expand_local_modules',
    'find_supervised_backbones',
    'init_submodule',
    'is_aux_net',
    'is_context_encoder',
    'learns',
    'lend_step',
    'list_local_modules',
    'local_parameters',
    'record_features',
    'set_normalization',
    'supervise_locally',
    'to_rule',
]
