"""Backbones that the hosts lack.

They build on mmpretrain, so ``localsup_mm`` itself does not import them. A
config that uses one does: ``custom_imports=dict(imports=['localsup_mm',
'localsup_mm.models.backbones'])``.
"""

from .cifar_resnet import CIFARResNet
from .densenet_bc import DenseNetBC

__all__ = ['CIFARResNet', 'DenseNetBC']
