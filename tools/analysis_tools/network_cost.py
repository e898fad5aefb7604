"""What a locally supervised classifier costs, without training it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, init_default_scope
from torch import nn
from training_cost import predict_cost
from training_methods import Method, to_end_to_end

from localsup_mm.hosts import find_host
from localsup_mm.metering import MacCounter


@dataclass(frozen=True)
class Cost:
    """At inference, without aux nets, and in training.

    Args:
        parameters (int): Of the deployed network.
        macs (int): Multiply-accumulates for one image.
        plain_parameters (int): Of the host's network alone.
        plain_macs (int): Of the host's network alone.
        peak_memory (int): Bytes, in a training iteration.
    """

    parameters: int
    macs: int
    plain_parameters: int
    plain_macs: int
    peak_memory: int

    @property
    def more_parameters(self) -> float:
        """Than the host's network alone, in %."""
        return 100 * (self.parameters / self.plain_parameters - 1)

    @property
    def more_macs(self) -> float:
        """Than the host's network alone, in %."""
        return 100 * (self.macs / self.plain_macs - 1)


def measure_cost(cfg: Config) -> Cost:
    """Count what a config of a locally supervised classifier costs.

    Args:
        cfg (Config): Its training pipeline crops images.

    Returns:
        Cost: For its image size and, in training, its batch size.
    """
    init_default_scope(cfg.default_scope)
    cfg = copy.deepcopy(cfg)
    cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    image = (3, *find_host(cfg).find_image_size(cfg))
    return Cost(
        *count_at_inference(cfg.model, image),
        *count_at_inference(to_end_to_end(cfg).model, image),
        measure_memory(cfg, (cfg.train_dataloader.batch_size, *image)),
    )


def count_at_inference(
    model_cfg: ConfigDict, image_shape: Sequence[int]
) -> tuple[int, int]:
    """Parameters and multiply-accumulates of a deployed network.

    Aux nets are left out, context encoders are not: they run at inference.

    Args:
        model_cfg (ConfigDict): Of a classifier, locally supervised or not.
        image_shape (Sequence[int]): ``(3, H, W)``.

    Returns:
        tuple[int, int]: Parameters, and multiply-accumulates of convs and
        fully-connected layers for one image.
    """
    model = MODELS.build(model_cfg).eval()
    with torch.no_grad(), MacCounter() as counter:
        model(torch.zeros(1, *image_shape))
    return count_deployed(model), counter.total


def count_deployed(model: nn.Module) -> int:
    """Parameters but those of aux nets."""
    return sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if 'local_supervision' not in name.split('.')
    )


def measure_memory(cfg: Config, input_shape: Sequence[int]) -> int:
    """Peak memory of a training iteration, on fake tensors.

    Args:
        cfg (Config): Of a locally supervised classifier.
        input_shape (Sequence[int]): ``(B, 3, H, W)``.

    Returns:
        int: Bytes.
    """
    num_images, _, *size = input_shape
    return predict_cost(Method(cfg), num_images, tuple(size)).peak_memory
