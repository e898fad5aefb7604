"""Exporting the network of a training checkpoint, for publishing.

What remains are the parameters and buffers of the plain host model, and the
meta data: it loads into that model as it is, without this package. Only the
encoders of ContSup are kept as well, which are part of the network.
"""

import hashlib
import os.path as osp
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...supervision.state_dict_keys import is_aux_net
from ...upstream import copy_layer_versions
from .read_checkpoint import read_weights
from .write_checkpoint import check_destination, serialize
from .write_whole import write_whole

__all__ = ['export_checkpoint', 'strip_checkpoint']


def export_checkpoint(
    src: str, dst: str, add_sha: bool = False, overwrite: bool = False
) -> tuple[str, int]:
    """Write the network of a training checkpoint to a file of its own.

    The file is written whole or not at all.

    Args:
        src (str): Checkpoint of a training.
        dst (str): File to write.
        add_sha (bool): Whether to append the first 8 hex digits of its
            sha256 to the file name, as OpenMMLab does. Defaults to False.
        overwrite (bool): Whether the file may exist. Defaults to False.

    Returns:
        tuple[str, int]: Name of the file, and number of keys dropped from
        the state dicts.

    Raises:
        FileNotFoundError: If ``src`` is missing.
        FileExistsError: If the file to write exists.
        ValueError: If ``src`` is corrupt, unsafe or without a state dict, or
            is the file to write.
    """
    check_destination(src, dst, overwrite or add_sha)
    exported, num_dropped = strip_checkpoint(read_weights(src), src)
    data = serialize(exported)
    if add_sha:
        root, extension = osp.splitext(dst)
        dst = f'{root}-{hashlib.sha256(data).hexdigest()[:8]}{extension}'
        check_destination(src, dst, overwrite)
    write_whole(dst, data)
    return dst, num_dropped


def strip_checkpoint(
    checkpoint: dict[str, Any], src: str
) -> tuple[dict[str, Any], int]:
    """Keep meta data and network; drop everything else.

    Args:
        checkpoint (dict[str, Any]): The result of :func:`read_weights`.
        src (str): Its file, for messages.

    Returns:
        tuple[dict[str, Any], int]: ``meta``, ``state_dict`` and, where it
        was, ``ema_state_dict``; number of keys dropped from the latter two.

    Raises:
        ValueError: If there is no state dict.
    """
    if not isinstance(checkpoint.get('state_dict'), Mapping):
        raise ValueError(
            '`src` should hold a state_dict, but got '
            f'{sorted(map(str, checkpoint))[:4]!r} in {src!r}. Give the '
            'iter_*.pth or epoch_*.pth of a training.'
        )
    exported = dict(meta=checkpoint.get('meta', {}))
    num_dropped = 0
    for name in ('state_dict', 'ema_state_dict'):
        if name in checkpoint:
            exported[name] = _drop_aux_nets(checkpoint[name])
            num_dropped += len(checkpoint[name]) - len(exported[name])
    return exported, num_dropped


def _drop_aux_nets(state_dict: Mapping[str, Any]) -> OrderedDict:
    kept = OrderedDict(
        # a copy, since a view would be saved with all it is a view of
        (key, value.detach().clone() if isinstance(value, Tensor) else value)
        for key, value in state_dict.items()
        if not is_aux_net(key)
    )
    copy_layer_versions(state_dict, kept, lambda n: not is_aux_net(f'{n}.'))
    return kept
