"""Any host's backbone, locally supervised."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Optional, Union

from mmengine.registry import MODELS
from torch import nn

from ..hosts import build_part
from ..recomputation import recompute_modules
from ..tracing import trace_backbone
from .context_supply import ContextSupply
from .init_submodule import init_submodule
from .local_module import LocalModule
from .local_modules_config import expand_local_modules, list_local_modules
from .local_supervision import LocalSupervision
from .state_dict_keys import AUX_NETS

__all__ = ['build_local_backbone', 'supervise_locally']


@MODELS.register_module(name='LocalBackbone')
def build_local_backbone(
    backbone: dict,
    local_modules: Union[dict, Sequence[dict]],
    input_size: Optional[tuple[int, int]] = None,
    context_supply: Optional[dict] = None,
    pretrained: Optional[str] = None,
) -> nn.Module:
    """Build a host's backbone and supervise it locally.

    A config calls it by ``type='LocalBackbone'``. It returns the host's own
    object, with aux nets attached under ``local_supervision``: state-dict
    keys, initialization, frozen stages and ``paramwise_cfg`` work as they do
    without them.

    Args:
        backbone (dict): Config of any backbone, as its host writes it.
        local_modules (Sequence[dict] | dict): See
            :func:`supervise_locally`; a dict holds the arguments of
            :func:`expand_local_modules`, one rule for all.
        input_size (tuple[int, int], optional): See :func:`trace_backbone`.
            Defaults to None.
        context_supply (dict, optional): See :func:`supervise_locally`.
            Defaults to None.
        pretrained (str, optional): Set by mmseg's segmentors; handed on to
            the backbone. Defaults to None.

    Returns:
        nn.Module: The backbone.

    Raises:
        ValueError: See :func:`supervise_locally`.
        TypeError: See :func:`supervise_locally`.
    """
    if pretrained is not None:
        backbone = dict(backbone, pretrained=pretrained)
    if isinstance(local_modules, dict):
        local_modules = list_local_modules(local_modules)
    return supervise_locally(
        build_part(backbone, 'backbone'),
        local_modules,
        input_size,
        context_supply,
    )


def supervise_locally(
    backbone: nn.Module,
    local_modules: Sequence[dict],
    input_size: Optional[tuple[int, int]] = None,
    context_supply: Optional[dict] = None,
    recompute: Union[Sequence[str], Mapping[str, Sequence[str]]] = (),
) -> nn.Module:
    """Cut a backbone into gradient-isolated local modules, in place.

    Args:
        backbone (nn.Module): Any backbone whose trace has boundaries.
        local_modules (Sequence[dict]): K - 1 configs of
            :class:`LocalModule`, each with the name of the submodule it ends
            with as ``boundary``. The last local module has none: it learns
            from the host's heads. An empty list is end-to-end training.
        input_size (tuple[int, int], optional): See :func:`trace_backbone`.
            Defaults to None.
        context_supply (dict, optional): Arguments of
            :class:`ContextSupply`, e.g. ``dict(mode='r1e')``. Defaults to
            None: a local module gets nothing but the features before it.
        recompute (Sequence[str] | Mapping[str, Sequence[str]]): Submodules
            of the backbone that compute again in the backward, see
            :func:`recompute_modules`. Defaults to (): none.

    Returns:
        nn.Module: The same object.

    Raises:
        BoundaryError: If a boundary is unknown, no cut, frozen or out of
            order.
        ValueError: If the backbone is locally supervised already, or there is
            context without a boundary.
        TypeError: If a local module is no dict with a boundary, or
            ``context_supply`` is no dict.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(),
        ...                     nn.Conv2d(4, 2, 1))
        >>> net = supervise_locally(net, [dict(boundary='1', decoder={})])
        >>> net.local_supervision.local_modules[0].boundary.channels
        4
    """
    if hasattr(backbone, AUX_NETS):
        raise ValueError(
            '`backbone` should be a plain backbone, but got a '
            f'{type(backbone).__name__} that is locally supervised already. '
            'Give all its local_modules at once.'
        )
    if not isinstance(context_supply, (dict, type(None))):
        raise TypeError(
            f'`context_supply` should be a dict, but got {context_supply!r}. '
            "Write e.g. dict(mode='r1e')."
        )
    if not isinstance(local_modules, (list, tuple)):
        raise TypeError(
            '`local_modules` should be a list of dicts, but got '
            f'{local_modules!r}. Write [dict(boundary=..., ...), ...]; an '
            'empty list is end-to-end training.'
        )
    for cfg in local_modules:
        if not isinstance(cfg, dict) or not isinstance(
            cfg.get('boundary'), str
        ):
            raise TypeError(
                '`local_modules` should hold dicts with the name of a '
                f'submodule as `boundary`, but got {cfg!r}. Write e.g. '
                "dict(boundary='layer2', aux_head=dict(...))."
            )
        _check_names(cfg)
    partition = trace_backbone(backbone, input_size).partition(
        [cfg['boundary'] for cfg in local_modules]
    )
    if context_supply is not None and not partition.boundaries:
        raise ValueError(
            '`context_supply` should go with local_modules, but got '
            f'{context_supply!r} without one. Leave it out.'
        )
    backbone.local_supervision = LocalSupervision(
        backbone, partition, local_modules
    )
    if context_supply is not None:
        backbone.context_supply = ContextSupply(
            backbone, partition, **context_supply
        )
        init_submodule(backbone.context_supply)
    recompute_modules(backbone, recompute)
    return backbone


def _check_names(cfg: dict) -> None:
    own = [*inspect.signature(LocalModule).parameters]
    own.remove('earlier')
    rule = inspect.signature(expand_local_modules).parameters
    for name in cfg:
        if name not in own:
            known = [n for n in (*rule, *own) if n != 'options']
            close = difflib.get_close_matches(name, known, n=1)
            raise TypeError(
                f'`local_modules` should have arguments of LocalModule, {own},'
                f' but got {name!r}. '
                + (f'Closest: {close[0]!r}.' if close else 'Leave it out.')
            )
