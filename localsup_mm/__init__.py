"""Locally supervised training for OpenMMLab 2.x.

A backbone is cut into gradient-isolated local modules, each trained by its
own loss right after its forward pass, so that only one module's activations
live at a time. Importing this package registers everything in mmengine's root
registries; a config does so by ``custom_imports=dict(imports=
['localsup_mm'])``.
"""

import mmengine
import torch
from mmengine.utils import digit_version

from .version import __version__

_FLOORS = {
    # the first whose DDP averages gradients that a backward inside the
    # forward made (pytorch #124193), and with torch.amp.GradScaler for CPUs
    'torch': (torch.__version__, '2.4.0'),
    # the oldest that all hosts take, and so the oldest that is tested:
    # mmpretrain 1.2.0 refuses older ones
    'mmengine': (mmengine.__version__, '0.8.3'),
}


def _check_versions() -> None:
    for package, (found, floor) in _FLOORS.items():
        if digit_version(found) < digit_version(floor):
            raise ImportError(
                f'`{package}` should be at least {floor} for localsup_mm, '
                f'but got {found}. Install a newer one, e.g. with `make env` '
                'in a clone of localsup_mm.'
            )


_check_versions()

from . import engine, models, supervision, tracing  # noqa: E402
from .engine import LocalAmpOptimWrapper, LocalOptimWrapper  # noqa: E402
from .errors import BoundaryError, SetupError  # noqa: E402
from .hosts import (  # noqa: E402
    let_configs_inherit_any_host,
    let_configs_inherit_ours,
)
from .recomputation import recompute_modules  # noqa: E402
from .supervision import (  # noqa: E402
    LocalStep,
    lend_step,
    supervise_locally,
)
from .supervision import (  # noqa: E402
    # by its name in a config
    build_local_backbone as LocalBackbone,
)
from .tracing import trace_backbone  # noqa: E402

let_configs_inherit_ours()
let_configs_inherit_any_host()

__all__ = [
    'BoundaryError',
    'LocalAmpOptimWrapper',
    'LocalBackbone',
    'LocalOptimWrapper',
    'LocalStep',
    'SetupError',
    '__version__',
    'engine',
    'lend_step',
    'models',
    'recompute_modules',
    'supervise_locally',
    'supervision',
    'trace_backbone',
    'tracing',
]
