"""A check that a checkpoint has the weights of a model."""

from torch import nn

from ...supervision.load_state_dict import check_encoders
from ...supervision.state_dict_keys import is_aux_net, is_context_encoder

__all__ = ['check_weights']


def check_weights(model: nn.Module, checkpoint: dict, path: str) -> None:
    """Check that a checkpoint has the weights of a model to be evaluated.

    Aux nets may be missing or in excess: evaluation does not use them. Of
    context encoders, which it uses, there may be no others.

    Args:
        model (nn.Module): The bare model.
        checkpoint (dict): The result of :func:`read_weights`.
        path (str): Its file, for the message.

    Raises:
        ValueError: If a weight is missing or has another shape, or there are
            context encoders that the model has not.
    """
    found = checkpoint.get('state_dict', checkpoint)
    found = {k.removeprefix('module.'): v for k, v in found.items()}
    own = model.state_dict()
    wrong = [
        key
        for key, tensor in own.items()
        if not is_aux_net(key)
        and not is_context_encoder(key)
        and not key.endswith('num_batches_tracked')
        and getattr(found.get(key), 'shape', None) != tensor.shape
    ]
    if wrong:
        raise ValueError(
            f'`checkpoint` should fit {type(model).__name__} of the config, '
            f'but got {path!r} with no or another {wrong[0]!r} and '
            f'{len(wrong) - 1} more such weights. Give the config it was '
            'trained with.'
        )
    check_encoders(own, found, repr(path))
