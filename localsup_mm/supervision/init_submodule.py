"""Initialization of what is attached to a backbone."""

from collections import defaultdict

from mmengine.model import BaseModule

__all__ = ['init_attached']


def init_attached(attached: BaseModule) -> None:
    """Initialize a child of a backbone from its own ``init_cfg``.

    A host's ``init_weights`` may load a checkpoint and never come here; where
    it does come here, it initializes the child once more.

    Args:
        attached (BaseModule): The child.
    """
    info = defaultdict(dict)
    for parameter in attached.parameters():
        info[parameter] = dict(
            init_info='', tmp_mean_value=parameter.data.mean().cpu()
        )
    # As below a parent that initializes: else each part would print all of
    # its parameters.
    for module in attached.modules():
        module._params_init_info = info
    attached.init_weights()
    for module in attached.modules():
        del module._params_init_info
        if isinstance(module, BaseModule):
            module.is_init = False
