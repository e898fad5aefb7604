"""The local modules of a config: a list, or one rule for all of them."""

import copy
from collections.abc import Sequence
from typing import Any, Optional, Union

from ..hosts import weigh_losses
from .published_settings import LOSS_WEIGHTS, PARTITIONS, find_setting

__all__ = ['expand_local_modules', 'list_local_modules', 'to_rule']


def list_local_modules(
    local_modules: Union[dict, Sequence[dict], None],
) -> list[dict]:
    """List the local modules of a config, whichever way it writes them.

    Args:
        local_modules (dict | Sequence[dict], optional): The setting of a
            ``LocalBackbone``: a list of configs, or one rule for all, the
            arguments of :func:`expand_local_modules`. None is an empty list.

    Returns:
        list[dict]: One config for each :class:`LocalModule`.

    Raises:
        ValueError: See :func:`expand_local_modules`.
    """
    if isinstance(local_modules, dict):
        if local_modules.get('boundaries') == 'auto':
            # before what else the planner takes is found to be unknown
            local_modules = dict(boundaries='auto')
        return expand_local_modules(**local_modules)
    return list(local_modules or ())


def to_rule(local_modules: Union[dict, Sequence[dict], None]) -> dict:
    """Write the local modules of a config as one rule for all.

    Args:
        local_modules (dict | Sequence[dict], optional): See
            :func:`list_local_modules`.

    Returns:
        dict: The rule; of a list, its boundaries, and the rest as the first
        local module has it. It is empty where there are no local modules.
    """
    if isinstance(local_modules, dict):
        return dict(local_modules)
    if not local_modules:
        return {}
    rule = dict(local_modules[0])
    del rule['boundary']
    rule['boundaries'] = [cfg['boundary'] for cfg in local_modules]
    return rule


def expand_local_modules(
    num_local_modules: Optional[int] = None,
    partition: Optional[str] = None,
    boundaries: Optional[Sequence[str]] = None,
    loss_weights: Union[str, Sequence[Sequence[float]], None] = None,
    decoder: Optional[dict] = None,
    aux_neck: Optional[dict] = None,
    aux_head: Union[dict, Sequence[dict], None] = None,
    **options: Any,
) -> list[dict]:
    """Write out local modules that share their aux nets' configs.

    Local modules m = 0 .. K - 2 have a local loss. With ``loss_weights=((a,
    b), (c, d))`` the weights of module m lie on the line from the first to
    the last: ``lambda_1 = a + (c - a) r`` for its decoder and ``lambda_2 = b
    + (d - b) r`` for its aux head, ``r = m / (K - 2)``, and r = 0 for K = 2.
    With K - 1 pairs each module has its own. An aux net of weight 0 is left
    out.

    Args:
        num_local_modules (int, optional): K. Defaults to None: one more than
            ``boundaries``.
        partition (str, optional): A network of ``PARTITIONS``. Defaults to
            None: ``boundaries`` are given.
        boundaries (Sequence[str], optional): Names of K - 1 submodules.
            Defaults to None: ``partition`` is given. The planner replaces
            ``'auto'`` in a config before a model is built.
        loss_weights (str | Sequence, optional): A setting of
            ``LOSS_WEIGHTS``, or ``((a, b), (c, d))``, or a pair for each
            local module but the last. Defaults to None: as the configs of
            decoder and aux head have them.
        decoder (dict, optional): The argument of
            :class:`LocalModule`. Defaults to None.
        aux_neck (dict, optional): The argument of
            :class:`LocalModule`. Defaults to None.
        aux_head (dict | Sequence[dict], optional): The argument of
            :class:`LocalModule`.
            Defaults to None.
        **options (Any): Other arguments of :class:`LocalModule`, the same
            for all.

    Returns:
        list[dict]: One config for each :class:`LocalModule`.

    Raises:
        ValueError: If there is no such setting, or arguments contradict each
            other.

    Example:
        >>> modules = expand_local_modules(
        ...     boundaries=['layer1', 'layer2', 'layer3'],
        ...     loss_weights=((6, 0), (1, 2)),
        ...     decoder={}, aux_head=dict(type='SupConHead'))
        >>> [m['decoder']['loss_weight'] for m in modules]
        [6.0, 3.5, 1.0]
        >>> [m['aux_head'] and m['aux_head']['loss_weight'] for m in modules]
        [None, 1.0, 2.0]
    """
    boundaries = _find_boundaries(num_local_modules, partition, boundaries)
    k = len(boundaries) + 1
    weights: Any = loss_weights
    if isinstance(weights, str):
        weights = find_setting(LOSS_WEIGHTS, 'loss_weights', weights, k)
    local_modules = []
    for m, boundary in enumerate(boundaries):
        parts = dict(decoder=decoder, aux_neck=aux_neck, aux_head=aux_head)
        parts = copy.deepcopy(parts)
        if weights is not None:
            lambda_1, lambda_2 = _find_weights(weights, m, k)
            parts['decoder'] = weigh_losses(parts['decoder'], lambda_1)
            parts['aux_head'] = weigh_losses(parts['aux_head'], lambda_2)
            if parts['aux_head'] is None:
                parts['aux_neck'] = None
        local_modules.append(dict(boundary=boundary, **parts, **options))
    return local_modules


def _find_weights(
    loss_weights: Sequence[Sequence[float]], m: int, k: int
) -> Sequence[float]:
    if len(loss_weights) == k - 1:
        return loss_weights[m]
    if len(loss_weights) != 2:
        raise ValueError(
            '`loss_weights` should be two pairs (lambda_1, lambda_2), for the '
            f'first and the last local loss, or {k - 1}, one for each, but '
            f'got {len(loss_weights)}. Change it or `num_local_modules`.'
        )
    ratio = m / (k - 2) if k > 2 else 0.0
    return [
        first * (1 - ratio) + last * ratio
        for first, last in zip(*loss_weights)
    ]


def _find_boundaries(
    num_local_modules: Optional[int],
    partition: Optional[str],
    boundaries: Optional[Sequence[str]],
) -> list[str]:
    if isinstance(boundaries, str):
        raise ValueError(
            '`boundaries` should be a list of names when a model is built, '
            f"but got {boundaries!r}. localsup train replaces 'auto' in a "
            'config; elsewhere call resolve_auto(cfg) of the planner first.'
        )
    if partition is None and boundaries is not None:
        if num_local_modules not in (None, len(boundaries) + 1):
            raise ValueError(
                '`num_local_modules` should be one more than there are '
                f'boundaries, {len(boundaries) + 1}, but got '
                f'{num_local_modules!r}. Leave it out.'
            )
        return list(boundaries)
    if partition is None or boundaries is not None:
        raise ValueError(
            '`local_modules` should have either a partition or boundaries, '
            f'but got {partition!r} and {boundaries!r}. Give one of them.'
        )
    if num_local_modules == 1:
        return []
    names = find_setting(PARTITIONS, 'partition', partition, num_local_modules)
    return names.split()
