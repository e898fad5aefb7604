"""Hand-written training steps of CIFAR ResNets, for `benchmark_step.py`.

Plain torch: of the model they use layers and weights, nothing else.
"""

import copy
from typing import Optional

import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmpretrain.models import LinearClsHead
from torch import Tensor, nn
from torch.optim import Optimizer

from localsup_mm.models import (
    ConvPool,
    MLPSRNeck,
    ReconstructionDecoder,
    SupConHead,
)
from localsup_mm.models.backbones import CIFARResNet
from localsup_mm.models.decoders.resized_conv import conv_of_resized
from localsup_mm.supervision import LocalModule


class HandWrittenStep:
    """The training step as one would write it for this network alone.

    Args:
        model (nn.Module): The host's plain model.
        local_modules (nn.ModuleList): Aux nets, a copy of their own.
        optimizer (Optimizer): Of both.

    Raises:
        TypeError: If the backbone, a neck or a head is none that it knows.
        ValueError: If a boundary is neither the stem nor a block.
    """

    def __init__(
        self,
        model: nn.Module,
        local_modules: nn.ModuleList,
        optimizer: Optimizer,
    ) -> None:
        _check_type('model.backbone.backbone', model.backbone, CIFARResNet)
        _check_type('model.head', model.head, LinearClsHead)
        backbone = model.backbone
        self.blocks = {
            'relu': nn.Sequential(
                backbone.conv1, backbone.norm1, backbone.relu
            )
        }
        for layer in backbone.res_layers:
            for j, block in enumerate(getattr(backbone, layer)):
                self.blocks[f'{layer}.{j}'] = block
        for m in local_modules:
            if m.boundary.name not in self.blocks:
                raise ValueError(
                    '`boundary` should be the stem or a block of '
                    f'CIFARResNet, but got {m.boundary.name!r}. Name one, '
                    "e.g. 'relu' or 'layer3.0'."
                )
            if m.aux_head is not None:
                _check_type('aux_neck', m.aux_neck, ConvPool, MLPSRNeck)
                _check_type('aux_head', m.aux_head, LinearClsHead, SupConHead)
            if m.decoder is not None:
                _check_type('decoder', m.decoder, ReconstructionDecoder)
        self.aux_nets = {m.boundary.name: m for m in local_modules}
        self.head = model.head
        self.mean = model.data_preprocessor.mean
        self.std = model.data_preprocessor.std
        self.optimizer = optimizer

    def __call__(self, batch: dict) -> None:
        images = torch.stack(batch['inputs']).float()
        labels = torch.cat([s.gt_label for s in batch['data_samples']])
        inputs = (images - self.mean) / self.std
        target = images / 255
        x = inputs
        for name, block in self.blocks.items():
            x = block(x)
            if name in self.aux_nets:
                decoder = self.aux_nets[name].decoder
                neck = self.aux_nets[name].aux_neck
                head = self.aux_nets[name].aux_head
                loss = 0
                if head is not None:
                    loss += task_loss(head, pool(neck, x), labels)
                if decoder is not None:
                    loss += self.reconstruction_loss(
                        decoder, x, inputs, target
                    )
                loss.backward()
                x = x.detach()
        task_loss(self.head, x.mean((2, 3)), labels).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def reconstruction_loss(
        self, decoder: nn.Module, x: Tensor, inputs: Tensor, target: Tensor
    ) -> Tensor:
        """Weighted cross-entropy of the rebuilt image."""
        conv, norm, relu = decoder.hidden[0]
        x = conv_of_resized(x, conv, target.shape[-2:])
        logits = decoder.last(relu(norm(x)))
        loss = F.binary_cross_entropy_with_logits(logits, target)
        return decoder.loss_weight * loss


class NaiveStep(HandWrittenStep):
    """The same in the authors' way.

    Features are resized before they are convolved, each local module restores
    the image anew, and aux nets of weight 0 run like all others.

    Args:
        model (nn.Module): The host's plain model.
        local_modules (nn.ModuleList): As :func:`add_skipped_aux_nets`
            returns them.
        optimizer (Optimizer): Of both.
    """

    def reconstruction_loss(
        self, decoder: nn.Module, x: Tensor, inputs: Tensor, target: Tensor
    ) -> Tensor:
        """Weighted cross-entropy of the rebuilt image."""
        conv, norm, relu = decoder.hidden[0]
        x = F.interpolate(
            x, size=inputs.shape[-2:], mode='bilinear', align_corners=True
        )
        rebuilt = decoder.last(relu(norm(conv(x)))).sigmoid()
        # rounding may leave [0, 1], which binary_cross_entropy refuses
        restored = ((inputs * self.std + self.mean) / 255).clamp(0, 1)
        return decoder.loss_weight * F.binary_cross_entropy(rebuilt, restored)


def add_skipped_aux_nets(
    local_modules: nn.ModuleList, rule: ConfigDict
) -> nn.ModuleList:
    """Give each local module the aux nets left out for their weight of 0.

    The authors' code has decoder and head everywhere; what does not count has
    weight 0.

    Args:
        local_modules (nn.ModuleList): Those of the model.
        rule (ConfigDict): Their config, one rule for all.

    Returns:
        nn.ModuleList: A copy in which each has decoder, neck and head.
    """
    complete = copy.deepcopy(local_modules)
    for m in complete:
        if m.decoder is None:
            m.decoder = ReconstructionDecoder(
                m.boundary.channels, loss_weight=0.0
            )
        if m.aux_head is None:
            full = LocalModule(
                m.boundary, aux_neck=rule.aux_neck, aux_head=rule.aux_head
            )
            m.aux_neck, m.aux_head = full.aux_neck, full.aux_head
            weighed = getattr(m.aux_head, 'loss_module', m.aux_head)
            weighed.loss_weight = 0.0
    return complete


def pool(neck: nn.Module, x: Tensor) -> Tensor:
    """Features of a whole image, ``(B, C)``."""
    if isinstance(neck, MLPSRNeck):
        quarter = [-(-side // 4) for side in x.shape[-2:]]
        x = neck.convs(F.adaptive_avg_pool2d(x, quarter))
        x = F.adaptive_avg_pool2d(x, 2).flatten(1)
    else:
        x = neck.convs(x).mean((2, 3))
    return neck.fcs(x)


def task_loss(head: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """Weighted contrastive loss or cross-entropy."""
    x = head.fc(x)
    if isinstance(head, SupConHead):
        loss = contrastive_loss(F.normalize(x), labels, head.temperature)
        return head.loss_weight * loss
    return head.loss_module.loss_weight * F.cross_entropy(x, labels)


def contrastive_loss(
    features: Tensor, labels: Tensor, temperature: float
) -> Tensor:
    """Supervised contrastive loss of features of length 1."""
    itself = torch.eye(len(labels), dtype=torch.bool)
    similarities = (features @ features.T / temperature).masked_fill(
        itself, float('-inf')
    )
    positive = (labels[:, None] == labels) & ~itself
    total = similarities.log_softmax(1).masked_fill(~positive, 0).sum(1)
    return -(total / positive.sum(1).clamp(min=1)).mean()


def _check_type(name: str, module: Optional[nn.Module], *types: type) -> None:
    if type(module) not in types:
        raise TypeError(
            f'`{name}` should be a '
            f'{" or ".join(t.__name__ for t in types)}, but got '
            f'{type(module).__name__}. Choose another config.'
        )
