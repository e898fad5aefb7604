"""A random batch as a data loader of a host yields it."""

import torch
from mmengine.config import Config

from ..hosts import find_host

__all__ = ['make_batch']


def make_batch(
    cfg: Config,
    num_images: int,
    size: tuple[int, int],
    image_channels: int = 3,
) -> dict:
    """Draw random images, with the labels that the planner counts with.

    Args:
        cfg (Config): The config of a training.
        num_images (int): The batch size, B.
        size (tuple[int, int]): H and W, in pixels.
        image_channels (int): C. Defaults to 3.

    Returns:
        dict: B ``inputs``, each ``(C, H, W)`` of uint8, and B
        ``data_samples``.
    """
    host = find_host(cfg)
    shape = host.make_input_shape(cfg, num_images, image_channels, size)
    return dict(
        inputs=list(torch.randint(256, shape, dtype=torch.uint8)),
        data_samples=host.make_data_samples(cfg, shape),
    )
