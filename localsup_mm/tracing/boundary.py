"""A place where a backbone can be cut."""

import math
from dataclasses import dataclass
from typing import Optional

import torch.nn.functional as F
from torch import Tensor

__all__ = ['Boundary']


@dataclass(frozen=True)
class Boundary:
    """A submodule at whose output the backbone can be cut.

    Args:
        name (str): Name of the submodule.
        channels (int): Channels of its output.
        stride (int): Image pixels per feature pixel.
        num_extra_tokens (int, optional): Class or register tokens in front
            of the image tokens; None where the output is a feature map.
            Defaults to None.
        image_channels (int): Channels of the images. Defaults to 3.
        frame_stride (int, optional): Frames of the clip per frame of the
            features; None where the backbone takes images. Defaults to None.
    """

    name: str
    channels: int
    stride: int
    num_extra_tokens: Optional[int] = None
    image_channels: int = 3
    frame_stride: Optional[int] = None

    @property
    def num_dims(self) -> int:
        """Dimensions of a feature map: 2, or 3 with the time of a clip."""
        return 2 if self.frame_stride is None else 3

    def describe_input(self) -> dict[str, int]:
        """Tell parts of images or clips, by the names of their arguments."""
        return dict(image_channels=self.image_channels, num_dims=self.num_dims)

    @classmethod
    def of_shape(
        cls,
        name: str,
        shape: tuple[int, ...],
        image_shape: tuple[int, ...],
    ) -> 'Boundary':
        """Describe a boundary by the shape of the features there.

        Args:
            name (str): Name of the submodule.
            shape (tuple[int]): ``(B, C, h, w)`` or ``(B, L, C)``, of clips
                ``(B, C, t, h, w)``.
            image_shape (tuple[int]): ``(C, H, W)`` of the images, or
                ``(C, T, H, W)`` of the clips.

        Returns:
            Boundary: Its stride is the finest that so many tokens fill.
        """
        channels, *frames, height, width = image_shape
        if len(shape) == len(image_shape) + 1:
            stride = round(height / shape[-2])
            rates = [round(t / shape[2]) for t in frames]
            return cls(name, shape[1], stride, None, channels, *rates)
        tokens = shape[1]
        stride = next(
            s
            for s in range(1, height + 1)
            if math.ceil(height / s) * math.ceil(width / s) <= tokens
        )
        grid = math.ceil(height / stride) * math.ceil(width / stride)
        return cls(name, shape[2], stride, tokens - grid, channels)

    def stack_views(self, batch: Tensor) -> Tensor:
        """Lay clips or frames of videos side by side, as a backbone has them.

        Args:
            batch (Tensor): Images; or videos of N clips or frames each,
                ``(B, N, C, T, H, W)`` or ``(B, N, C, H, W)``.

        Returns:
            Tensor: All inputs of the backbone, ``(B * N, C, ...)``.
        """
        return batch.flatten(0, batch.dim() - self.num_dims - 2)

    def to_feature_map(self, feats: Tensor, inputs: Tensor) -> Tensor:
        """Lay tokens out as a feature map; hand a feature map on.

        Args:
            feats (Tensor): ``(B, C, h, w)`` or ``(B, L, C)``, of clips
                ``(B, C, t, h, w)``.
            inputs (Tensor): The images, ``(B, image_channels, H, W)``, or
                clips.

        Returns:
            Tensor: ``(B, C, h, w)``, of clips ``(B, C, t, h, w)``.

        Raises:
            ValueError: If the tokens do not fill ``h * w`` at this stride.
        """
        if self.num_extra_tokens is None:
            return feats
        tokens = feats[:, self.num_extra_tokens :]
        h, w = (math.ceil(side / self.stride) for side in inputs.shape[-2:])
        if tokens.shape[1] != h * w:
            raise ValueError(
                f'`inputs` should give {h} x {w} tokens at stride '
                f'{self.stride} of boundary {self.name!r}, but got '
                f'{tokens.shape[1]}. Use images whose sides are multiples of '
                'the stride.'
            )
        return tokens.transpose(1, 2).unflatten(2, (h, w))

    def add_feature_map(self, feats: Tensor, feature_map: Tensor) -> Tensor:
        """Add a feature map to a feature map or tokens, out of place.

        Args:
            feats (Tensor): ``(B, C, h, w)`` or ``(B, L, C)``.
            feature_map (Tensor): ``(B, C, h, w)``. Class and register tokens
                get nothing.

        Returns:
            Tensor: The sum, of the shape of ``feats``.
        """
        if self.num_extra_tokens is None:
            return feats + feature_map
        tokens = feature_map.flatten(2).transpose(1, 2)
        if self.num_extra_tokens:
            tokens = F.pad(tokens, (0, 0, self.num_extra_tokens, 0))
        return feats + tokens
