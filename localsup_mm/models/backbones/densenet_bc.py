"""DenseNet-BC for small images, with a cut after every dense layer."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import torch
from mmengine.registry import MODELS
from mmpretrain.models.backbones.densenet import DenseLayer, DenseNet
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ['DenseNetBC']

_NUM_STAGES = 3
_STRIDE = 4


@MODELS.register_module()
class DenseNetBC(DenseNet):
    """DenseNet-BC for images of 32 x 32 to 96 x 96.

    mmpretrain's DenseNet with the stem of the CIFAR networks, a 3x3 conv to
    twice the growth rate without norm or pooling, three dense blocks, and
    dense layers that hand on one Tensor: their input and the new features
    behind it. The host's layers hand on the new features alone, so that its
    blocks cannot be cut inside; here each ``stages.{i}.block.{j}`` is a
    boundary. Parameter names and values of the output are the host's.

    Source: `DenseNet <https://arxiv.org/abs/1608.06993>`_, CVPR 2017; its
    initialization is that of the authors' Torch code.

    Args:
        depth (int): Convs on the way and the classifier, 6 n + 4 for blocks
            of n layers. Defaults to 100.
        growth_rate (int): Channels that each layer adds. Defaults to 12.
        in_channels (int): Channels of the image. Defaults to 3.
        bn_size (int): Width of a layer's 1x1 conv, in growth rates.
            Defaults to 4.
        drop_rate (float): Dropout behind each layer. Defaults to 0.
        compression_factor (float): Part of the channels that a transition
            keeps. Defaults to 0.5.
        memory_efficient (bool): Whether a layer's 1x1 conv and the norm
            before it are computed again in the backward. A layer's input is
            kept, unlike in the host, which concatenates it again. Defaults
            to False.
        norm_cfg (dict, optional): Norm layers. Defaults to None: BN.
        act_cfg (dict, optional): Activations. Defaults to None: ReLU.
        out_indices (Sequence[int] | int): Stages whose output is returned,
            after their transition; the last one's is a norm and an
            activation. Defaults to -1.
        frozen_stages (int): Stages that do not train, with their
            transitions. As in the host, the stem is none of them. Defaults
            to 0.
        init_cfg (dict | list[dict], optional): Initialization. Defaults to
            None: Kaiming-normal by fan-out for convs, 1 and 0 for norms.

    Shape:
        - x: ``(B, 3, H, W)``.
        - output: tuple of ``(B, C, h, w)``; with the defaults C is 108, 150
          and 342 at strides 2, 4 and 4.

    Raises:
        ValueError: If ``depth`` is not 6 n + 4, ``out_indices`` names no
            stage, or an image is smaller than 4 x 4.

    Example:
        >>> net = DenseNetBC(depth=10)
        >>> net(torch.rand(2, 3, 32, 32))[0].shape
        torch.Size([2, 27, 8, 8])
    """

    def __init__(
        self,
        depth: int = 100,
        growth_rate: int = 12,
        in_channels: int = 3,
        bn_size: int = 4,
        drop_rate: float = 0.0,
        compression_factor: float = 0.5,
        memory_efficient: bool = False,
        norm_cfg: Optional[dict] = None,
        act_cfg: Optional[dict] = None,
        out_indices: Union[Sequence[int], int] = -1,
        frozen_stages: int = 0,
        init_cfg: Optional[Union[dict, list[dict]]] = None,
    ) -> None:
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(
                '`depth` should be 6 n + 4 for dense blocks of n layers, but '
                f'got {depth!r}. The published values are 100, 190 and 250.'
            )
        if isinstance(out_indices, int):
            out_indices = [out_indices]
        for index in out_indices:
            if not -_NUM_STAGES <= index < _NUM_STAGES:
                raise ValueError(
                    f'`out_indices` should be from -{_NUM_STAGES} to '
                    f'{_NUM_STAGES - 1}, but got {index!r}. DenseNetBC has '
                    f'{_NUM_STAGES} stages.'
                )
        norm_cfg = norm_cfg or dict(type='BN')
        act_cfg = act_cfg or dict(type='ReLU')
        channels = 2 * growth_rate
        depths = [(depth - 4) // 6] * _NUM_STAGES
        super().__init__(
            dict(
                growth_rate=growth_rate, depths=depths, init_channels=channels
            ),
            in_channels,
            compression_factor=compression_factor,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            out_indices=list(out_indices),
            init_cfg=init_cfg or _default_init_cfg(),
        )
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        )
        self.stages = nn.ModuleList(
            _DenseBlock(
                stage.block[0].conv1.in_channels,
                num_layers,
                growth_rate=growth_rate,
                bn_size=bn_size,
                norm_cfg=norm_cfg,
                act_cfg=act_cfg,
                drop_rate=drop_rate,
                memory_efficient=memory_efficient,
            )
            for stage, num_layers in zip(self.stages, depths)
        )
        self.frozen_stages = frozen_stages
        self._freeze_stages()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Check the size of the images, then run mmpretrain's forward pass."""
        if min(x.shape[-2:]) < _STRIDE:
            raise ValueError(
                f'`x` should have sides of at least {_STRIDE} pixels for '
                f'DenseNetBC, but got {tuple(x.shape[-2:])}. Resize the '
                'images in the pipeline.'
            )
        return super().forward(x)


class _DenseBlock(nn.Module):
    """The host's DenseBlock of layers that hand on one Tensor."""

    def __init__(
        self, in_channels: int, num_layers: int, growth_rate: int, **kwargs
    ) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            _DenseLayer(in_channels + i * growth_rate, growth_rate, **kwargs)
            for i in range(num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.block:
            x = layer(x)
        return x


class _DenseLayer(DenseLayer):
    """The host's DenseLayer, from one Tensor to it and the new features."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward([x])], 1)

    def bottleneck_fn(self, xs: Sequence[Tensor]) -> Tensor:
        (x,) = xs  # not torch.cat, which would copy it
        return self.conv1(self.act(self.norm1(x)))

    def call_checkpoint_bottleneck(self, x: list[Tensor]) -> Any:
        # reentrant, as in the host, it hides its parameters from the trace
        return checkpoint(self.bottleneck_fn, x, use_reentrant=False)


def _default_init_cfg() -> list[dict]:
    return [
        dict(type='Kaiming', layer='Conv2d'),
        dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
    ]
