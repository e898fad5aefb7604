"""Aux nets to plan with, for any config."""

from collections.abc import Sequence
from typing import Union

from mmengine.config import Config

from ..hosts import find_host
from ..supervision import to_rule
from .resolve_auto import CONDITIONS

__all__ = ['find_aux_nets']

# where the local modules of a config differ, and what is not planned with
_LEFT_OUT = ('boundaries', 'partition', *CONDITIONS)


def find_aux_nets(
    cfg: Config, image_size: Sequence[int]
) -> Union[dict, list[dict]]:
    """Find the aux nets of a config; the first local module's go for all.

    Args:
        cfg (Config): Config of a training, locally supervised or not. One
            that is not gets cheap ones for the host's task.
        image_size (Sequence[int]): H and W, in pixels.

    Returns:
        dict | list[dict]: Aux nets, as :func:`make_planner` takes them.
    """
    rule = to_rule(cfg.model.backbone.get('local_modules'))
    if not rule:
        return find_host(cfg).make_default_aux_nets(cfg, image_size)
    rule = {key: value for key, value in rule.items() if key not in _LEFT_OUT}
    # those of a published table are for its K
    if isinstance(rule.get('loss_weights'), str):
        del rule['loss_weights']
    return rule
