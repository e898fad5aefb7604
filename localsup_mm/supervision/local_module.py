"""The losses that one local module learns from."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Optional, Union

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ..hosts import subsample_labels
from ..models.layers import on_frames
from ..models.norm import running_statistics
from ..tracing import Boundary
from .block_copier import BlockCopier
from .build_aux_nets import build_aux_nets
from .check_arguments import check_arguments
from .check_dims import blame_dims
from .compute_losses import compute_losses
from .find_levels import find_levels

__all__ = ['LocalModule']


class LocalModule(BaseModule):
    """The local losses at one boundary.

    A reconstruction decoder estimates I(h, x), an aux head I(h, y); each is
    optional. With the decoder alone the module is unsupervised, with the
    head alone it is greedy supervised learning.

    Source: `InfoPro <https://openreview.net/forum?id=fAbkE6ant2>`_, ICLR
    2021, section 3.

    Args:
        boundary (Boundary): Where the local module ends. In a config, the
            name of a submodule; the trace adds the rest.
        decoder (dict, optional): The decoder; its type defaults to
            ``ReconstructionDecoder``. Defaults to None.
        shared_neck (dict, optional): Any neck of a host, between the features
            and both decoder and aux neck, e.g. ``dict(type='MomentumBlock')``.
            Defaults to None.
        aux_neck (dict, optional): Any neck of a host, between features and
            aux head. Defaults to None.
        aux_head (dict | Sequence[dict], optional): Any head of a host with
            ``loss(feats, data_samples)``, e.g. ``dict(type='mmseg.FCNHead',
            ...)`` or a dense head of mmdet; several, if their losses have
            different names. Defaults to None.
        pyramid (bool): Whether neck and head get the pyramid so far: besides
            the features here those at earlier boundaries of finer strides,
            the last of each, detached. Ours, for detectors. Defaults to
            False.
        label_stride (int): The aux head learns from every that many-th
            pixel of a label map (``gt_sem_seg``), in height and in width,
            and so makes no logits of the size of the image: with many
            classes they take more memory than the local module. Defaults to
            1: from all.
        min_stride (int): The aux nets work at this stride at the finest:
            features of a finer one are averaged to it before, which makes
            any aux nets cheap at early boundaries. Defaults to 1: they get
            the features as they are.
        class_token (bool): Whether aux neck and head get the class token,
            ``(B, C)``, as a ViT's own head does, in place of the feature map.
            Else the class token learns before the last local module only as
            what the image tokens attend to. Defaults to False.
        earlier (Sequence[Boundary]): The boundaries before this one; the
            trace adds them. Defaults to ().
        copier (BlockCopier, optional): Copies blocks of the backbone; the
            trace adds it. Defaults to None: no aux net copies any.

    ``in_channels`` of decoder, neck and heads, ``num_dims``, which is 3 for
    clips, ``image_channels`` and ``source_channels`` of the decoder and the
    strides of a dense head are taken from the trace where the config leaves
    them out.

    Attributes:
        index (int): Its place among the local modules, from 0.
        levels (tuple[int]): Indices of the earlier boundaries whose features
            belong to the pyramid; none of a stride below ``min_stride``.
        source (int, optional): Index of the boundary before, if the decoder
            rebuilds the features that enter; None if it rebuilds the image.
        reads (frozenset[int]): Both: the features that the loss needs.

    Shape:
        - feats: ``(B, C, h, w)``, or tokens ``(B, L, C)``, or, of clips of a
          video, ``(B, C, t, h, w)``.
        - inputs: ``(B, 3, H, W)`` or ``(B, 3, T, H, W)``, normalized.

    Raises:
        ValueError: If there is neither a decoder nor an aux head, or
            ``label_stride`` or ``min_stride`` is below 1, or
            ``class_token=True`` where there is none, or with a shared neck
            or a pyramid; with the loss, if ``label_stride`` is above 1 for
            labels that are no label maps.
        ImportError: If the host of a part is not installed.
    """

    def __init__(
        self,
        boundary: Boundary,
        decoder: Optional[dict] = None,
        shared_neck: Optional[dict] = None,
        aux_neck: Optional[dict] = None,
        aux_head: Union[dict, Sequence[dict], None] = None,
        pyramid: bool = False,
        label_stride: int = 1,
        min_stride: int = 1,
        class_token: bool = False,
        earlier: Sequence[Boundary] = (),
        copier: Optional[BlockCopier] = None,
    ) -> None:
        super().__init__()
        check_arguments(
            boundary,
            has_aux_nets=decoder is not None or aux_head is not None,
            of_feature_maps=pyramid or shared_neck is not None,
            label_stride=label_stride,
            min_stride=min_stride,
            class_token=class_token,
        )
        self.boundary = boundary
        self.class_token = class_token
        self.label_stride = label_stride
        self.index = len(earlier)
        # the prefix of its losses in the log
        self.name = f'local_{self.index}'
        # the side of the squares that are averaged
        self._square = math.ceil(min_stride / boundary.stride)
        self.levels: tuple[int, ...] = ()
        if pyramid:
            self.levels = find_levels(earlier, boundary, min_stride)
        sources = [*(earlier[i] for i in self.levels), boundary]
        channels = [source.channels for source in sources]
        strides = [source.stride for source in sources]
        strides[-1] *= self._square
        parts = build_aux_nets(
            decoder,
            shared_neck,
            aux_neck,
            aux_head,
            channels,
            strides,
            dict(
                boundary.describe_input(),
                source_channels=earlier[-1].channels if earlier else None,
                copier=copier,
            ),
        )
        self.shared_neck, self.decoder = parts.shared_neck, parts.decoder
        self.aux_neck, self.aux_head = parts.aux_neck, parts.aux_head
        self.source: Optional[int] = None
        if getattr(self.decoder, 'rebuilds_source', False):
            self.source = self.index - 1
        self.reads = frozenset({*self.levels, self.source})

    def to_feature_map(self, feats: Tensor, inputs: Tensor) -> Tensor:
        """Turn the features at the boundary into the aux nets' input.

        Args:
            feats (Tensor): ``(B, C, h, w)``, or tokens ``(B, L, C)``.
            inputs (Tensor): ``(B, 3, H, W)``.

        Returns:
            Tensor: ``(B, C, h', w')``, at ``min_stride`` at the finest; of
            clips frame by frame.
        """
        feature_map = self.boundary.to_feature_map(feats, inputs)
        if self._square == 1:
            return feature_map
        return on_frames(
            lambda x: avg_pool2d(x, self._square, ceil_mode=True), feature_map
        )

    def loss(
        self,
        feats: Tensor,
        inputs: Tensor,
        data_samples: Any,
        earlier: Mapping[int, Tensor] = MappingProxyType({}),
    ) -> dict[str, Tensor]:
        """Compute the losses of the features at the boundary.

        Where a batch norm of the aux nets gets one value per channel, as of
        a last batch of one image, they normalize by running statistics.

        Args:
            feats (Tensor): ``(B, C, h, w)``, or tokens ``(B, L, C)``.
            inputs (Tensor): ``(B, 3, H, W)``, normalized.
            data_samples (Any): Labels, as the aux head takes them.
            earlier (Mapping[int, Tensor]): Feature maps at the boundaries it
                ``reads``, by index, detached. Defaults to none.

        Returns:
            dict[str, Tensor]: Named as by the hosts' heads: those with
            ``loss`` in their key are minimized, others only logged.
        """
        arguments = feats, inputs, data_samples, earlier
        try:
            return self._loss(*arguments)
        except (RuntimeError, ValueError) as error:
            # torch's, of which there is no class
            if 'more than 1 value per channel' not in str(error):
                blame_dims(self, error)
                raise
        with running_statistics(self):
            return self._loss(*arguments)

    def _loss(
        self,
        feats: Tensor,
        inputs: Tensor,
        data_samples: Any,
        earlier: Mapping[int, Tensor],
    ) -> dict[str, Tensor]:
        class_token = feats[:, 0] if self.class_token else None
        feats = (self.to_feature_map(feats, inputs),)
        if self.shared_neck is not None:
            feats = self.shared_neck(feats)
        losses: dict[str, Tensor] = {}
        # The head first: its backward comes last and needs the most memory,
        # when the decoder's graph is gone already.
        if self.aux_head is not None:
            tapped = (*(earlier[i] for i in self.levels), *feats)
            if class_token is not None:
                tapped = (class_token,)
            if self.aux_neck is not None:
                tapped = self.aux_neck(tapped)
            samples = subsample_labels(data_samples, self.label_stride)
            losses.update(compute_losses(self.aux_head, tapped, samples))
        if self.decoder is not None:
            # what enters the first local module is the image
            source = () if self.source is None else (earlier[self.source],)
            losses.update(
                self.decoder.loss(feats, inputs, data_samples, *source)
            )
        return losses

    def follow(self, backbone: nn.Module) -> None:
        """Let aux nets follow the backbone, once for each optimizer step.

        Args:
            backbone (nn.Module): The backbone, before that step.
        """
        for module in self.modules():
            if module is not self and hasattr(module, 'follow'):
                module.follow(backbone)
