"""Data sets that the hosts lack.

They build on mmpretrain, so ``localsup_mm`` itself does not import them. A
config that uses one does: ``custom_imports=dict(imports=['localsup_mm',
'localsup_mm.datasets'])``.
"""

from .in_memory_cifar10 import InMemoryCIFAR10
from .stl10 import STL10
from .svhn import SVHN

__all__ = ['STL10', 'SVHN', 'InMemoryCIFAR10']
