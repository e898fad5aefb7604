"""The size and the compute of a network as it is deployed."""

from dataclasses import dataclass

import torch
from mmengine.config import Config
from torch import nn

from ..hosts import find_host
from ..metering import MacCounter
from ..simulation import build_host_model
from ..supervision.state_dict_keys import is_aux_net
from ..tracing import find_image_channels
from .methods import to_end_to_end

__all__ = ['InferenceCost', 'count_at_inference']


@dataclass(frozen=True)
class InferenceCost:
    """Size and compute of a network without aux nets.

    Context encoders count: they run at inference.

    Args:
        parameters (int): The number of parameters of the network.
        macs (int): Multiply-accumulates of convs and matrix products for one
            image.
        more_parameters (float): The parameters that it has more than the
            host's network alone, in %.
        more_macs (float): The MACs that it has more than the host's network
            alone, in %.
    """

    parameters: int
    macs: int
    more_parameters: float
    more_macs: float


def count_at_inference(cfg: Config) -> InferenceCost:
    """Count size and compute of the trained network of a config.

    Args:
        cfg (Config): Prepared by :func:`prepare_config`; its training
            pipeline says how large images are.

    Returns:
        InferenceCost: The costs for one image of that size.
    """
    size = find_host(cfg).find_image_size(cfg)
    parameters, macs = _count(cfg, size)
    plain_parameters, plain_macs = _count(to_end_to_end(cfg), size)
    return InferenceCost(
        parameters,
        macs,
        100 * (parameters / plain_parameters - 1),
        100 * (macs / plain_macs - 1),
    )


def _count(cfg: Config, size: tuple[int, int]) -> tuple[int, int]:
    model = build_host_model(cfg).eval()
    with torch.no_grad(), MacCounter() as counter:
        channels = find_image_channels(model.backbone, size)
        shape = find_host(cfg).make_input_shape(cfg, 1, channels, size)
        model(torch.zeros(shape))
    return _count_deployed(model), counter.total


def _count_deployed(model: nn.Module) -> int:
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if not is_aux_net(name)
    )
