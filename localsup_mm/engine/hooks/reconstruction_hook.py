"""Pictures of what each local module keeps of the image."""

import logging
from typing import Optional

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ...supervision import find_supervised_backbones, record_features
from ..model_wrapper import unwrap_model
from ..module_parallel import ModuleParallel
from ..sharding import is_sharded

__all__ = ['ReconstructionHook', 'reconstruct']


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Write images and their reconstructions through the Visualizer.

    One row per image: the image as the network gets it, then what the
    decoder of each local module makes of the features at its boundary. A clip
    is a row of frames, with what each decoder makes of it below. With
    mmengine's ``LocalVisBackend`` the pictures are PNG files in
    ``vis_data/vis_image/reconstruction_*.png``.

    Args:
        interval (int): Iterations between two pictures; the last iteration
            has one too. Defaults to 1000.
        num_images (int): Images or clips, at most those of the batch.
            Defaults to 2.

    Raises:
        ValueError: If ``interval`` or ``num_images`` is below 1.
    """

    def __init__(self, interval: int = 1000, num_images: int = 2) -> None:
        for name, value in (
            ('interval', interval),
            ('num_images', num_images),
        ):
            if value < 1:
                raise ValueError(
                    f'`{name}` should be at least 1, but got '
                    f'{value}. Leave it out for the default.'
                )
        self.interval = interval
        self.num_images = num_images

    def before_train(self, runner: Runner) -> None:
        """Say so where no process can draw."""
        if is_sharded(runner.model):
            print_log(
                'ReconstructionHook draws nothing with '
                'LocalFullyShardedDataParallel, where no process has the '
                'whole model. Load a checkpoint and call reconstruct.',
                logger='current',
                level=logging.WARNING,
            )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: DATA_BATCH = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Draw the batch just trained on."""
        if not (
            self.every_n_train_iters(runner, self.interval)
            or self.is_last_train_iter(runner)
        ):
            return
        if is_sharded(runner.model):
            return
        if isinstance(runner.model, ModuleParallel):
            runner.model.gather()
        if is_main_process():
            self._draw(runner, data_batch)

    def _draw(self, runner: Runner, data_batch: DATA_BATCH) -> None:
        model = unwrap_model(runner.model)
        inputs = model.data_preprocessor(data_batch, False)['inputs']
        images = reconstruct(model, inputs[: self.num_images])
        if not images:
            return
        rows = _lay_out([image[: self.num_images] for image in images])
        picture = _to_colors(rows).permute(0, 2, 3, 1).flatten(0, 1)
        runner.visualizer.add_image(
            'reconstruction',
            (picture * 255).byte().cpu().numpy(),
            step=runner.iter + 1,
        )


@torch.no_grad()
def reconstruct(model: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Rebuild images by the decoder of each local module.

    Args:
        model (nn.Module): A bare model with a locally supervised backbone.
        inputs (Tensor): ``(B, 3, H, W)``, or videos, normalized.

    Returns:
        list[Tensor]: The images and one reconstruction per local module with
        a decoder of images, each ``(B, 3, H, W)`` in [0, 1], or, of clips,
        ``(B, 3, T, H, W)``; empty if none has one.
    """
    backbone = find_supervised_backbones(model)[0]
    local_modules = [
        m
        for m in backbone.local_supervision.local_modules
        if m.decoder is not None and m.source is None
    ]
    if not local_modules:
        return []
    inputs = local_modules[0].boundary.stack_views(inputs)
    modes = {m: m.training for m in model.modules()}
    try:
        model.eval()
        # without context, which the decoder does not see
        feats = record_features(
            backbone, inputs, [m.boundary.name for m in local_modules]
        )
        images = [
            m.decoder.reconstruct(
                (m.to_feature_map(h, inputs),), inputs.shape[2:]
            )
            for m, h in zip(local_modules, feats)
        ]
    finally:
        for module, training in modes.items():
            module.training = training
    return [local_modules[0].decoder.restore(inputs), *images]


def _lay_out(images: list[Tensor]) -> Tensor:
    """Put pictures beside one another, strips of clips below one another.

    Args:
        images (list[Tensor]): Those of :func:`reconstruct`.

    Returns:
        Tensor: ``(B, C, H, W)``.
    """
    if images[0].dim() == 4:
        return torch.cat(images, dim=3)
    strips = [clip.transpose(2, 3).flatten(3) for clip in images]
    return torch.cat(strips, dim=2)


def _to_colors(images: Tensor) -> Tensor:
    """Show any number of channels: the first three, or a grey."""
    if images.shape[1] < 3:
        images = images[:, :1].expand(-1, 3, -1, -1)
    return images[:, :3]
