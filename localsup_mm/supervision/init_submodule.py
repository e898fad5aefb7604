"""Initialization of what is attached to a backbone."""

from mmengine.model import BaseModule

from ..upstream import initialized_by_a_parent

__all__ = ['init_submodule']


def init_submodule(submodule: BaseModule) -> None:
    """Initialize a child of a backbone from its own ``init_cfg``.

    A host's ``init_weights`` may load a checkpoint and never come here; where
    it does come here, it initializes the child once more.

    Args:
        submodule (BaseModule): The child.
    """
    with initialized_by_a_parent(submodule):
        submodule.init_weights()
    for module in submodule.modules():
        if isinstance(module, BaseModule):
            module.is_init = False
