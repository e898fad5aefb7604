"""Loading a checkpoint that has other parts than a supervised backbone."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .state_dict_keys import CONTEXT, is_aux_net, is_context_encoder

__all__ = [
    'check_encoders',
    'forgive_missing_aux_nets',
    'refuse_lost_context',
]


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


def check_encoders(
    own: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    what: str = 'one',
) -> None:
    """Check that a checkpoint has a model's context encoders, and no others.

    Args:
        own (Mapping[str, Tensor]): State dict of the model.
        found (Mapping[str, Tensor]): That of the checkpoint.
        what (str): Names the checkpoint in the message. Defaults to 'one'.

    Raises:
        ValueError: If an encoder is missing, of another shape or surplus.
    """
    shapes, others = (
        {
            (match[0], key, value.shape)
            for key, value in state.items()
            # torch itself fills in a norm's missing num_batches_tracked
            if (match := _ENCODER.match(key)) and not key.endswith('tracked')
        }
        for state in (own, found)
    )
    missing = sorted({name for name, *_ in shapes - others})
    surplus = sorted({name for name, *_ in others - shapes} - {*missing})
    if missing or surplus:
        differences = [
            f'{word} {", ".join(names[:4])}'
            + (f' and {len(names) - 4} more' if names[4:] else '')
            for word, names in (
                ('with no or another', missing),
                ('with surplus', surplus),
            )
            if names
        ]
        raise ValueError(
            '`checkpoint` should have the context encoders of the config, but '
            f'got {what} {"; ".join(differences)}. Give the config it was '
            'trained with.'
        )


_ENCODER = re.compile(rf'.*{CONTEXT}\.encoders\.\d+\.\w+')
