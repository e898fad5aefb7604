"""What a locally supervised classifier costs, without training it."""

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, OPTIMIZERS, init_default_scope
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from localsup_mm.engine import check_model
from localsup_mm.planning import peak_memory


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
    image = (3, *find_image_size(cfg))
    plain = copy.deepcopy(cfg.model)
    plain.backbone = plain.backbone.backbone
    return Cost(
        *count_at_inference(cfg.model, image),
        *count_at_inference(plain, image),
        measure_memory(cfg, (cfg.train_dataloader.batch_size, *image)),
    )


def find_image_size(cfg: Config) -> tuple[int, int]:
    """Height and width that a config's training images are cropped to.

    Args:
        cfg (Config): Of a classifier.

    Returns:
        tuple[int, int]: In pixels.

    Raises:
        ValueError: If its training pipeline has no ``RandomCrop``.
    """
    pipeline = cfg.train_dataloader.dataset.pipeline
    for transform in pipeline:
        if transform['type'] == 'RandomCrop':
            size = transform['crop_size']
            return (size, size) if isinstance(size, int) else tuple(size)
    raise ValueError(
        '`train_dataloader.dataset.pipeline` should have a RandomCrop, but '
        f'got {[t["type"] for t in pipeline]!r}. Add one of the image size.'
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
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.zeros(1, *image_shape))
    return count_deployed(model), counter.get_total_flops() // 2


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
    model = MODELS.build(cfg.model)
    check_model(model)  # gives the decoders mean and std
    settings = dict(cfg.optim_wrapper.optimizer)
    optimizer = OPTIMIZERS.get(settings.pop('type'))
    return peak_memory(
        model,
        input_shape,
        lambda shape: [DataSample().set_gt_label(0) for _ in range(shape[0])],
        functools.partial(optimizer, **settings),
    )
