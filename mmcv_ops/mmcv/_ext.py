"""Ops for an mmcv that was not compiled; `mmcv.ops` calls them.

Where mmcv is compiled, its `_ext.*.so` lies beside this file. Python looks
for extension modules first, so that this file is then not read.
"""

from mmcv_torch_ops import *  # noqa: F403
from mmcv_torch_ops import make_missing_op as __getattr__  # noqa: F401
