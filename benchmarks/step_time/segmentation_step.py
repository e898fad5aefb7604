"""A hand-written training step of mmseg's networks, for `benchmark_step.py`.

It knows a ResNetV1c, cut behind blocks, with a decode head and auxiliary
heads; decoders and heads are used as they are.
"""

import re
from collections.abc import Sequence

from mmseg.models.backbones import ResNetV1c
from torch import Tensor, nn
from torch.optim import Optimizer


class HandWrittenStep:
    """The training step as one would write it for this network alone.

    Args:
        model (nn.Module): The host's plain model.
        local_modules (nn.ModuleList): Aux nets, a copy of their own.
        optimizer (Optimizer): Of both.

    Raises:
        TypeError: If the backbone is no ResNetV1c of mmseg.
        ValueError: If a boundary is no block of it, or a local module has a
            neck.
    """

    def __init__(
        self,
        model: nn.Module,
        local_modules: nn.ModuleList,
        optimizer: Optimizer,
    ) -> None:
        if type(model.backbone) is not ResNetV1c:
            raise TypeError(
                '`model.backbone.backbone` should be a ResNetV1c, but got '
                f'{type(model.backbone).__name__}. Choose another config.'
            )
        for local_module in local_modules:
            name = local_module.boundary.name
            if re.fullmatch(r'layer\d\.\d+', name) is None:
                raise ValueError(
                    '`boundary` should be a block of ResNetV1c, but got '
                    f"{name!r}. Name one, e.g. 'layer3.0'."
                )
            if local_module.aux_neck is not None:
                raise ValueError(
                    '`aux_neck` should be None, but got '
                    f'{type(local_module.aux_neck).__name__}. Choose another '
                    'config.'
                )
        self.model = model
        self.aux_nets = {
            m.boundary.name: (m.decoder, m.aux_head) for m in local_modules
        }
        self.optimizer = optimizer

    def __call__(self, batch: dict) -> None:
        model, backbone = self.model, self.model.backbone
        data = model.data_preprocessor(batch, True)
        inputs, data_samples = data['inputs'], data['data_samples']
        x = backbone.maxpool(backbone.stem(inputs))
        feats = []
        for i, stage in enumerate(backbone.res_layers):
            for j, block in enumerate(getattr(backbone, stage)):
                x = block(x)
                if f'{stage}.{j}' in self.aux_nets:
                    decoder, aux_head = self.aux_nets[f'{stage}.{j}']
                    loss = 0
                    if decoder is not None:
                        loss += decoder.loss((x,), inputs)['loss_recon']
                    if aux_head is not None:
                        loss += self.head_loss(aux_head, (x,), data_samples)
                    loss.backward()
                    x = x.detach()
                    feats = [feat.detach() for feat in feats]
            if i in backbone.out_indices:
                feats.append(x)
        heads = [model.decode_head]
        if model.with_auxiliary_head:
            is_list = isinstance(model.auxiliary_head, nn.ModuleList)
            heads += (
                model.auxiliary_head if is_list else [model.auxiliary_head]
            )
        sum(self.head_loss(h, feats, data_samples) for h in heads).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def head_loss(
        self, head: nn.Module, feats: Sequence[Tensor], data_samples: list
    ) -> Tensor:
        """Sum of the losses of one head."""
        losses = head.loss(feats, data_samples, self.model.train_cfg)
        return sum(v for k, v in losses.items() if 'loss' in k)
