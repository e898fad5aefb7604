"""The decoder that rebuilds what entered a local module."""

from typing import Any, Optional

import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from .reconstruction_decoder import ReconstructionDecoder
from .target import find_target_size, outside_padding, shrink

__all__ = ['FeatureDecoder']


@MODELS.register_module()
class FeatureDecoder(ReconstructionDecoder):
    """Rebuild the features that entered the local module.

    A local module then keeps what the one before it kept, of which the image
    is the first: what enters the first local module is the image, and there
    it does as :class:`ReconstructionDecoder` does. The features at the
    boundary before, without context, are the target, but for scale and
    offset: at each place they are normalized over the channels. So the loss
    is about 1 for a decoder that knows nothing, at any depth, and 0 for a
    perfect one.

    Source: `Local learning of transformers
    <https://arxiv.org/abs/2212.14215>`_, whose abstract says that features
    are rebuilt in place of the image. The rest is ours: the loss, the
    normalization and the convs.

    Args:
        in_channels (int): Channels of the features at the boundary.
        source_channels (int, optional): Channels of the features that enter
            the local module. Defaults to None: the image enters it.
        **kwargs (Any): Other arguments of :class:`ReconstructionDecoder`.
            ``target_stride`` counts pixels of the image here too; the target
            is never finer than the features are.

    Shape:
        - feats: tuple of one ``(B, C, h, w)``.
        - inputs: ``(B, 3, H, W)``, normalized.
        - source: ``(B, C', h', w')``, C' is ``source_channels``.
        - loss_recon: ``()``, mean over channels and places.

    Example:
        >>> decoder = FeatureDecoder(16, source_channels=8)
        >>> losses = decoder.loss((torch.rand(2, 16, 4, 4),),
        ...                       torch.rand(2, 3, 32, 32),
        ...                       source=torch.rand(2, 8, 8, 8))
        >>> losses['loss_recon'].shape
        torch.Size([])
    """

    def __init__(
        self,
        in_channels: int,
        source_channels: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        if source_channels is not None:
            kwargs['image_channels'] = source_channels
        super().__init__(in_channels, **kwargs)
        self.rebuilds_source = source_channels is not None

    def loss(
        self,
        feats: tuple[Tensor, ...],
        inputs: Tensor,
        data_samples: Any = None,
        source: Optional[Tensor] = None,
    ) -> dict[str, Tensor]:
        """Compute the mean squared error of the normalized features.

        Args:
            feats (tuple[Tensor]): One ``(B, C, h, w)``.
            inputs (Tensor): ``(B, 3, H, W)``, normalized.
            data_samples (Any): See :class:`ReconstructionDecoder`.
            source (Tensor, optional): The features that entered the local
                module, ``(B, C', h', w')``, detached. Defaults to None: the
                image did.

        Returns:
            dict[str, Tensor]: ``loss_recon``, times ``loss_weight``.
        """
        if source is None:
            return super().loss(feats, inputs, data_samples)
        start = feats[-1].shape[2:]
        strides = self.target_stride, self.frame_stride
        size = find_target_size(start, inputs.shape[2:], *strides)
        size = torch.Size(map(min, size, source.shape[2:]))
        rebuilt = self.rebuild(feats, size).movedim(1, -1)
        target = shrink(source, size).movedim(1, -1)
        target = F.layer_norm(target, target.shape[-1:])
        error = (rebuilt - target) ** 2
        if self.ignore_padding:
            weight = shrink(outside_padding(inputs, data_samples), size)
            error = error * weight.movedim(1, -1) / weight.mean()
        return dict(loss_recon=self.loss_weight * error.mean())
