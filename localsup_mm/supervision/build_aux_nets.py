"""Building the aux nets of one local module from their configs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional, Union

from mmengine.model import ModuleList
from torch import nn

from ..hosts import build_part

__all__ = ['AuxNets', 'build_aux_nets']


class AuxNets(NamedTuple):
    """The parts that compute the losses of a local module.

    Args:
        decoder (nn.Module, optional): It rebuilds the image.
        shared_neck (nn.Module, optional): In front of decoder and aux neck.
        aux_neck (nn.Module, optional): In front of the aux head.
        aux_head (nn.Module, optional): The head, or a ``ModuleList`` of
            several.
    """

    decoder: Optional[nn.Module]
    shared_neck: Optional[nn.Module]
    aux_neck: Optional[nn.Module]
    aux_head: Optional[nn.Module]


def build_aux_nets(
    decoder: Optional[dict],
    shared_neck: Optional[dict],
    aux_neck: Optional[dict],
    aux_head: Union[dict, Sequence[dict], None],
    channels: Sequence[int],
    strides: Sequence[int],
    traced: Mapping[str, Any],
) -> AuxNets:
    """Build aux nets; each part fits what comes before it.

    Args:
        decoder (dict, optional): See :class:`LocalModule`.
        shared_neck (dict, optional): See :class:`LocalModule`.
        aux_neck (dict, optional): See :class:`LocalModule`.
        aux_head (dict | Sequence[dict], optional): See :class:`LocalModule`.
        channels (Sequence[int]): Channels of the features at each level, the
            last is that at the boundary.
        strides (Sequence[int]): Strides of the same levels.
        traced (Mapping[str, Any]): See :func:`build_part`.

    Returns:
        AuxNets: The parts.
    """
    channels, strides = list(channels), list(strides)
    shared: Any = None
    if shared_neck is not None:
        shared = build_part(
            shared_neck, 'shared_neck', channels[-1:], traced=traced
        )
        channels[-1] = shared.out_channels
        strides[-1] *= getattr(shared, 'stride', 1)
    rebuilt = neck = head = None
    if decoder is not None:
        if isinstance(decoder, dict):
            decoder = {'type': 'ReconstructionDecoder', **decoder}
        rebuilt = build_part(decoder, 'decoder', channels[-1:], traced=traced)
    if aux_neck is not None:
        neck = build_part(aux_neck, 'aux_neck', channels, traced=traced)
        width = getattr(
            neck, 'out_channels', aux_neck.get('out_channels', channels[-1])
        )
        strides[-1] *= getattr(neck, 'stride', 1)
        # a feature pyramid may add levels, each of half the size
        num_levels = getattr(neck, 'num_outs', len(strides))
        channels = [width] * num_levels
        while len(strides) < num_levels:
            strides.append(2 * strides[-1])
    if isinstance(aux_head, dict):
        head = build_part(aux_head, 'aux_head', channels, strides)
    elif aux_head is not None:
        head = ModuleList(
            build_part(cfg, 'aux_head', channels, strides) for cfg in aux_head
        )
    return AuxNets(rebuilt, shared, neck, head)
