"""The ResNets of 6n + 2 layers."""

from collections.abc import Sequence

from mmengine.registry import MODELS
from mmpretrain.models import ResNet_CIFAR
from mmpretrain.models.backbones.resnet import BasicBlock

__all__ = ['CIFARResNet']


@MODELS.register_module()
class CIFARResNet(ResNet_CIFAR):
    """ResNet of 6n + 2 layers: three stages of n basic blocks.

    mmpretrain's ``ResNet_CIFAR`` has the four stages and the width of an
    ImageNet network. This one has the widths 16, 32 and 64 of the original
    CIFAR experiments, with a 1x1 conv where a shortcut changes shape (option
    B) and without zero initialization of residual branches.

    Source: `Deep Residual Learning for Image Recognition
    <https://arxiv.org/abs/1512.03385>`_, CVPR 2016, section 4.2.

    Args:
        depth (int): 6n + 2, e.g. 32 or 110.
        base_channels (int): Width of stem and first stage; it doubles with
            each stage. Defaults to 16.
        out_indices (Sequence[int]): Stages whose output is returned, of 0,
            1 and 2. Defaults to (2,).
        **kwargs: Further arguments of mmpretrain's ``ResNet``:
            ``frozen_stages``, ``norm_eval``, ``with_cp`` and others.

    Shape:
        - inputs: ``(B, 3, H, W)``.
        - output: tuple of ``(B, 64, H / 4, W / 4)`` for the last stage.

    Raises:
        ValueError: If ``depth`` is not 6n + 2 with n > 0, or
            ``out_indices`` names another stage.

    Example:
        >>> import torch
        >>> net = CIFARResNet(32)
        >>> [tuple(f.shape) for f in net(torch.rand(2, 3, 32, 32))]
        [(2, 64, 8, 8)]
    """

    def __init__(
        self,
        depth: int,
        base_channels: int = 16,
        out_indices: Sequence[int] = (2,),
        **kwargs,
    ) -> None:
        if depth < 8 or depth % 6 != 2:
            raise ValueError(
                '`depth` of CIFARResNet should be 6n + 2 with n > 0, but got '
                f'{depth!r}. Published are 20, 32, 44, 56 and 110.'
            )
        if not set(out_indices) <= {0, 1, 2}:
            raise ValueError(
                '`out_indices` of CIFARResNet should be of the stages 0, 1 '
                f'and 2, but got {out_indices!r}. (2,) is the last.'
            )
        self.arch_settings = {depth: (BasicBlock, (depth // 6,) * 3)}
        super().__init__(
            depth,
            **{
                'stem_channels': base_channels,
                'base_channels': base_channels,
                'num_stages': 3,
                'strides': (1, 2, 2),
                'dilations': (1, 1, 1),
                'out_indices': tuple(out_indices),
                'zero_init_residual': False,
                **kwargs,
            },
        )
