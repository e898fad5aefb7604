"""The neck that narrows features: widths, cost, and the head behind it."""

import mmcv.cnn  # noqa: F401 - registers norm layers
import torch
from torch import nn

from localsup_mm.models import ReductionNeck
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary


def test_wide_features_are_narrowed():
    neck = ReductionNeck(32, 8, norm_cfg=dict(type='SyncBN'))
    assert neck.out_channels == 8
    conv, norm, _ = neck.conv
    assert conv.kernel_size == (1, 1)
    assert conv.bias is None
    assert isinstance(norm, nn.SyncBatchNorm)


def test_narrow_features_pass_as_they_are():
    neck = ReductionNeck(8, 16)
    assert neck.out_channels == 8
    earlier, feats = torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)
    (found,) = neck((earlier, feats))
    assert found is feats
    neck = ReductionNeck(8, 8)
    assert not list(neck.parameters())


def test_a_head_behind_it_has_its_width():
    module = LocalModule(
        Boundary('layer3', channels=32, stride=8),
        aux_neck=dict(type='ReductionNeck', out_channels=8),
        aux_head=dict(
            type='mmseg.FCNHead',
            channels=6,
            num_convs=1,
            concat_input=False,
            num_classes=5,
        ),
    )
    assert module.aux_head.in_channels == 8
    (feats,) = module.aux_neck((torch.rand(2, 32, 4, 4),))
    assert module.aux_head((feats,)).shape == (2, 5, 4, 4)
