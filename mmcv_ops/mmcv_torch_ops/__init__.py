"""The ops of mmcv that networks for images call, without a compiler.

`mmcv.ops` calls compiled functions of `mmcv._ext`. Those here have the same
names and arguments, on PyTorch and torchvision, for a CPU and a GPU.
"""

from .attention import *  # noqa: F403
from .boxes import *  # noqa: F403
from .carafe import *  # noqa: F403
from .deform_conv import *  # noqa: F403
from .focal_loss import *  # noqa: F403
from .masked_conv import *  # noqa: F403
from .missing import *  # noqa: F403
from .rois import *  # noqa: F403
from .sync_bn import *  # noqa: F403
