"""The decoder that estimates I(h, x)."""

from collections.abc import Sequence
from typing import Any, Optional, Union

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ..layers import build_conv
from ..norm import build_norm
from .check_arguments import check_arguments
from .resized_conv import conv_of_resized, resize
from .target import find_target_size, outside_padding, shrink

__all__ = ['ReconstructionDecoder']


@MODELS.register_module()
class ReconstructionDecoder(BaseModule):
    """Rebuild the image, or the clip, from the features at a boundary.

    The lower its error, the more of the image the features keep; InfoPro
    trains it with the local module so that later modules still find there
    what the local label loss alone would discard. It is unused at inference.

    With one hidden conv the features are resized to the image first and both
    convs are 3x3, as the authors do on CIFAR. With several, the first is 1x1
    and a resize follows each, in equal ratios up to the image, as they do on
    ImageNet and Cityscapes. ``target_stride`` makes decoder and target
    smaller than the image, and so cheaper than theirs. Of features of a clip
    it rebuilds the clip, by 3D convs; ``frame_stride`` makes it a slower one.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021; authors' code ``networks/auxiliary_nets.py``, ``Decoder``.
    Differences: any image size (theirs is fixed at build); BCE with logits,
    since ``BCELoss`` refuses autocast; the target is clamped to [0, 1].

    Args:
        in_channels (int): Channels of the features at the boundary.
        channels (Sequence[int]): Channels of the hidden convs; the authors
            have (12,) on CIFAR and (128, 32, 12) on ImageNet and
            Cityscapes. Defaults to (12,).
        mean (Sequence[float], optional): The mean that the data preprocessor
            subtracted, in pixel values 0-255. Defaults to None: taken from
            the model's data preprocessor before iteration 0.
        std (Sequence[float], optional): The standard deviation that it
            divided by, in pixel values 0-255. Defaults to None, as ``mean``.
        target_stride (int | str): Pixels of the image, in height and width,
            whose mean is one of the target; ``'feature'`` is the features'
            stride. Defaults to 1, as published: the target is the image.
        frame_stride (int | str): Frames of a clip whose mean is one of the
            target; ``'feature'`` is the features' stride. Defaults to 1.
        norm_cfg (dict, optional): Norm layer, as the hosts write it, e.g.
            ``dict(type='SyncBN')``. Defaults to None: plain batch norm.
        loss_weight (float): lambda_1 in the paper. Defaults to 1.0.
        ignore_padding (bool): Whether pixels outside a data sample's
            ``img_shape`` do not count, as theirs do. Defaults to False.
        image_channels (int): Channels of the images. Defaults to 3.
        num_dims (int): 2 for features of images, 3 for clips. Defaults to 2.
        init_cfg (dict, optional): Initialization. Defaults to None.

    Shape:
        - feats: tuple of one ``(B, C, h, w)``, of clips ``(B, C, t, h, w)``.
        - inputs: ``(B, 3, H, W)`` or ``(B, 3, T, H, W)``, normalized; 3 is
          ``image_channels``.
        - loss_recon: ``()``, mean over pixels, in nats.

    Raises:
        ValueError: If ``channels`` is empty, a stride is none, or one of
            ``mean`` and ``std`` is given without the other.

    Example:
        >>> decoder = ReconstructionDecoder(16, mean=[0.] * 3, std=[255.] * 3)
        >>> losses = decoder.loss((torch.rand(2, 16, 8, 8),),
        ...                       torch.rand(2, 3, 32, 32))
        >>> losses['loss_recon'].shape
        torch.Size([])
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int] = (12,),
        mean: Optional[Sequence[float]] = None,
        std: Optional[Sequence[float]] = None,
        target_stride: Union[int, str] = 1,
        frame_stride: Union[int, str] = 1,
        norm_cfg: Optional[dict] = None,
        loss_weight: float = 1.0,
        ignore_padding: bool = False,
        image_channels: int = 3,
        num_dims: int = 2,
        init_cfg: Optional[dict] = None,
    ) -> None:
        super().__init__(init_cfg)
        check_arguments(channels, mean, std, target_stride, frame_stride)
        self.loss_weight = loss_weight
        self.ignore_padding = ignore_padding
        self.num_dims = num_dims
        self.target_stride = target_stride
        self.frame_stride = frame_stride
        self.resizes_first = len(channels) == 1
        widths = [in_channels, *channels]
        self.hidden = nn.ModuleList()
        for i, (width, out) in enumerate(zip(widths, channels)):
            kernel = 1 if i == 0 and not self.resizes_first else 3
            self.hidden.append(
                nn.Sequential(
                    build_conv(num_dims, width, out, kernel),
                    build_norm(norm_cfg, out, num_dims),
                    nn.ReLU(inplace=True),
                )
            )
        self.last = build_conv(num_dims, channels[-1], image_channels, 3)
        # No buffers: a checkpoint does not hold them, and EMA, which copies
        # the model before they are known, pairs buffers by position.
        self.mean: Optional[Tensor] = None
        self.std: Optional[Tensor] = None
        if mean is not None and std is not None:
            self.set_normalization(mean, std)

    def set_normalization(
        self, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        """Say how the images were normalized.

        Args:
            mean (Sequence[float]): One mean, or one a channel, 0-255.
            std (Sequence[float]): Standard deviations, as ``mean``.
        """
        shape = (1, -1) + (1,) * self.num_dims
        self.mean = torch.as_tensor(mean).float().reshape(shape)
        self.std = torch.as_tensor(std).float().reshape(shape)

    def forward(self, feats: tuple[Tensor, ...], size: torch.Size) -> Tensor:
        """Compute logits of the image.

        Args:
            feats (tuple[Tensor]): One ``(B, C, h, w)``, of clips
                ``(B, C, t, h, w)``.
            size (torch.Size): ``(H, W)`` of the image, ``(T, H, W)`` of the
                clip.

        Returns:
            Tensor: ``(B, 3, H', W')``, both sides divided by
            ``target_stride``; its sigmoid is the image in [0, 1]. Of clips
            ``(B, 3, T', H', W')``.
        """
        start = feats[-1].shape[2:]
        strides = self.target_stride, self.frame_stride
        return self.rebuild(feats, find_target_size(start, size, *strides))

    def rebuild(self, feats: tuple[Tensor, ...], size: torch.Size) -> Tensor:
        """Compute the output of the convs.

        Args:
            feats (tuple[Tensor]): One ``(B, C, h, w)``, or of clips.
            size (torch.Size): ``(H', W')`` of the output, or ``(T', H',
                W')``.

        Returns:
            Tensor: ``(B, 3, *size)``.
        """
        x = feats[-1]
        start = x.shape[2:]
        if self.resizes_first:
            conv, norm, relu = self.hidden[0]
            x = relu(norm(conv_of_resized(x, conv, size)))
        else:
            steps = len(self.hidden)
            for i, conv in enumerate(self.hidden, 1):
                x = conv(x)
                x = resize(
                    x,
                    torch.Size(
                        round(a * (b / a) ** (i / steps))
                        for a, b in zip(start, size)
                    ),
                )
        return self.last(x)

    def reconstruct(
        self, feats: tuple[Tensor, ...], size: torch.Size
    ) -> Tensor:
        """Rebuild image or clip, of the input's shape in [0, 1]."""
        return resize(self(feats, size).sigmoid(), size)

    def restore(self, inputs: Tensor) -> Tensor:
        """Undo the normalization.

        Args:
            inputs (Tensor): Images or clips, normalized.

        Returns:
            Tensor: The same in [0, 1].

        Raises:
            RuntimeError: If mean and std are not known yet.
        """
        if self.mean is None or self.std is None:
            raise RuntimeError(
                '`mean` and `std` of ReconstructionDecoder should be known '
                'before its loss, but got None. Pass both, or train with '
                "optim_wrapper=dict(type='LocalOptimWrapper'), which takes "
                'them from the data preprocessor.'
            )
        if self.mean.device != inputs.device:
            self.mean = self.mean.to(inputs.device)
            self.std = self.std.to(inputs.device)
        return ((inputs * self.std + self.mean) / 255).clamp(0, 1)

    def loss(
        self,
        feats: tuple[Tensor, ...],
        inputs: Tensor,
        data_samples: Any = None,
    ) -> dict[str, Tensor]:
        """Compute the mean binary cross-entropy of the reconstruction.

        Args:
            feats (tuple[Tensor]): One ``(B, C, h, w)``, of clips
                ``(B, C, t, h, w)``.
            inputs (Tensor): Images or clips, normalized.
            data_samples (Any): With ``ignore_padding``, a sequence whose
                ``img_shape`` says how much of each image is no padding.
                Defaults to None.

        Returns:
            dict[str, Tensor]: ``loss_recon``, times ``loss_weight``.
        """
        logits = self(feats, inputs.shape[2:])
        size = logits.shape[2:]
        target = self.restore(shrink(inputs, size))
        if self.ignore_padding:
            weight = shrink(outside_padding(inputs, data_samples), size)
            loss = F.binary_cross_entropy_with_logits(
                logits, target, weight, reduction='sum'
            )
            loss = loss / (weight.sum() * inputs.shape[1])
        else:
            loss = F.binary_cross_entropy_with_logits(logits, target)
        return dict(loss_recon=self.loss_weight * loss)
