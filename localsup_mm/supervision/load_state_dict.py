"""Loading a checkpoint that has other parts than a supervised backbone."""

from typing import Any

from torch import nn

from .state_dict_keys import is_aux_net, is_context_encoder

__all__ = ['forgive_missing_aux_nets', 'refuse_lost_context']


def forgive_missing_aux_nets(
    supervision: nn.Module, incompatible_keys: Any
) -> None:
    """Take a checkpoint of the plain model as it is: it has no aux nets.

    Args:
        supervision (nn.Module): The child of a backbone that has them.
        incompatible_keys (Any): ``missing_keys`` and ``unexpected_keys`` of
            the model that loads; changed in place.
    """
    missing = incompatible_keys.missing_keys
    own = [*filter(is_aux_net, missing)]
    # torch itself fills in a norm's missing num_batches_tracked
    lost = [key for key in own if not key.endswith('num_batches_tracked')]
    if len(lost) == sum(
        not key.endswith('num_batches_tracked')
        for key in supervision.state_dict()
    ):
        for key in own:
            missing.remove(key)


def refuse_lost_context(
    supervision: nn.Module, incompatible_keys: Any
) -> None:
    """Refuse a checkpoint of a backbone with context, where this has none.

    Args:
        supervision (nn.Module): The child of the backbone that loads.
        incompatible_keys (Any): ``missing_keys`` and ``unexpected_keys`` of
            the model that loads.

    Raises:
        ValueError: If there are such weights.
    """
    lost = [*filter(is_context_encoder, incompatible_keys.unexpected_keys)]
    if lost:
        raise ValueError(
            '`checkpoint` should be of a backbone without context_supply, but '
            f'got one with {lost[0]!r} and {len(lost) - 1} more such weights. '
            'Give the config it was trained with.'
        )
