"""Pictures of what each local module keeps of the image."""

from typing import Optional

import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.hooks.hook import DATA_BATCH
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ...supervision import find_supervised_backbones, record_features
from ..model_wrapper import unwrap_model

__all__ = ['ReconstructionHook', 'reconstruct']


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Write images and their reconstructions through the Visualizer.

    One row per image: the image as the network gets it, then what the
    decoder of each local module makes of the features at its boundary. With
    mmengine's ``LocalVisBackend`` the pictures are PNG files in
    ``vis_data/vis_image/reconstruction_*.png``.

    Args:
        interval (int): Iterations between two pictures; the last iteration
            has one too. Defaults to 1000.
        num_images (int): Rows, at most the batch size. Defaults to 2.

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

    @master_only
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
        model = runner.model
        model = unwrap_model(model)
        inputs = model.data_preprocessor(data_batch, False)['inputs']
        images = reconstruct(model, inputs[: self.num_images])
        if not images:
            return
        rows = torch.cat(images, dim=3)  # (n, 3, H, K * W)
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
        inputs (Tensor): ``(B, 3, H, W)``, normalized.

    Returns:
        list[Tensor]: The images and one reconstruction per local module with
        a decoder, each ``(B, 3, H, W)`` in [0, 1]; empty if none has one.
    """
    backbone = find_supervised_backbones(model)[0]
    local_modules = [
        m
        for m in backbone.local_supervision.local_modules
        if m.decoder is not None
    ]
    modes = {m: m.training for m in model.modules()}
    try:
        model.eval()
        # without context, which the decoder does not see
        feats = record_features(
            backbone, inputs, [m.boundary.name for m in local_modules]
        )
        images = [
            m.decoder.reconstruct(
                (m.to_feature_map(h, inputs),), inputs.shape[-2:]
            )
            for m, h in zip(local_modules, feats)
        ]
    finally:
        for module, training in modes.items():
            module.training = training
    if images:
        images.insert(0, local_modules[0].decoder.restore(inputs))
    return images


def _to_colors(images: Tensor) -> Tensor:
    """Show any number of channels: the first three, or a grey."""
    if images.shape[1] < 3:
        images = images[:, :1].expand(-1, 3, -1, -1)
    return images[:, :3]
