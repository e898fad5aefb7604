"""One table of networks: each is put through every property."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

import localsup_mm  # noqa: F401 - registers everything


class Case(NamedTuple):
    """A backbone, where it is cut, and what follows from the cut."""

    backbone: dict
    boundaries: Sequence[str]
    closed_outputs: tuple[int, ...] = ()
    taps: tuple[str, ...] = ()
    context_supply: Optional[dict] = None


@MODELS.register_module()
class ToyBackbone(BaseModule):
    """Four convs; the second output has a norm of its own."""

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels, 3, 2, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = nn.GroupNorm(2, channels)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv4 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x1 = self.conv1(x).relu()
        x2 = self.conv2(x1).relu()
        return x1, self.norm2(x2), self.conv4(self.conv3(x2).relu())


@MODELS.register_module()
class ToyHead(BaseModule):
    """Global pooling, a linear layer and cross-entropy."""

    def __init__(self, in_channels: int, num_classes: int = 3) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.fc = nn.Linear(in_channels, num_classes)

    def loss(self, feats: tuple, data_samples: Tensor) -> dict:
        logits = self.fc(feats[-1].mean((2, 3)))
        accuracy = (logits.argmax(1) == data_samples).float().mean()
        return dict(
            loss_ce=F.cross_entropy(logits, data_samples), accuracy=accuracy
        )


@MODELS.register_module()
class ToyModel(BaseModel):
    """A backbone and a neck that reads each of its outputs."""

    def __init__(self, backbone: dict, num_classes: int = 3) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.neck = nn.LazyLinear(num_classes)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Optional[Tensor] = None,
        mode: str = 'tensor',
    ) -> dict:
        feats = self.backbone(inputs)
        if mode == 'tensor':
            return feats
        feats = feats if isinstance(feats, (tuple, list)) else (feats,)
        pooled = [f.mean((2, 3)) if f.dim() == 4 else f for f in feats]
        logits = self.neck(torch.cat(pooled, 1))
        return dict(loss_ce=F.cross_entropy(logits, data_samples))


CASES = {
    'toy': Case(
        dict(type='ToyBackbone'), ['conv1', 'conv3'], (0, 1), ('norm2',)
    ),
    'resnet_v1c_dilated': Case(
        dict(
            type='mmseg.ResNetV1c',
            depth=18,
            stem_channels=8,
            base_channels=8,
            dilations=(1, 1, 2, 4),
            strides=(1, 2, 1, 1),
            contract_dilation=True,
        ),
        ['layer1.1', 'layer3.0'],
        (0, 1),
    ),
    'resnet_v1d_with_cp': Case(
        dict(
            type='mmseg.ResNetV1d',
            depth=18,
            stem_channels=8,
            base_channels=8,
            with_cp=True,
        ),
        ['layer1.0', 'layer2.1'],
        (0,),
    ),
    'resnet_mmdet_frozen': Case(
        dict(
            type='mmdet.ResNet',
            depth=50,
            base_channels=4,
            stem_channels=4,
            frozen_stages=1,
            norm_eval=True,
        ),
        ['layer2.1', 'layer3.2'],
        (1,),
    ),
    'resnext': Case(
        dict(
            type='mmseg.ResNeXt',
            depth=50,
            groups=2,
            base_width=4,
            base_channels=8,
            stem_channels=8,
        ),
        ['layer1.2', 'layer3.0'],
        (0, 1),
    ),
    'resnet_cifar': Case(
        dict(
            type='mmpretrain.ResNet_CIFAR',
            depth=18,
            stem_channels=8,
            base_channels=8,
            out_indices=(0, 3),
        ),
        ['conv1', 'layer2.0', 'layer4.0'],
        (0,),
    ),
    'swin': Case(
        dict(
            type='mmseg.SwinTransformer',
            embed_dims=12,
            depths=(2, 2, 2, 2),
            num_heads=(1, 2, 3, 4),
        ),
        ['stages.0.blocks.1', 'stages.2.blocks.0'],
        (0, 1),
        ('norm0', 'norm1'),
    ),
    'convnext': Case(
        dict(
            type='mmpretrain.ConvNeXt',
            arch=dict(depths=[1, 1, 2, 1], channels=[8, 12, 16, 20]),
            out_indices=(0, 1, 2, 3),
            gap_before_final_norm=False,
        ),
        ['stages.0.0', 'stages.2.0'],
        (0, 1),
        ('norm0', 'norm1'),
    ),
    'mit': Case(
        dict(
            type='mmseg.MixVisionTransformer',
            embed_dims=8,
            num_layers=[1, 1, 2, 1],
            num_heads=[1, 2, 4, 4],
        ),
        ['layers.0.1.0', 'layers.2.1.0'],
        (0, 1),
    ),
    'vit': Case(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=16,
                num_layers=4,
                num_heads=2,
                feedforward_channels=32,
            ),
            img_size=64,
        ),
        ['layers.0', 'layers.2'],
    ),
    'vit_dense': Case(
        dict(
            type='mmseg.VisionTransformer',
            img_size=(64, 64),
            embed_dims=16,
            num_layers=4,
            num_heads=2,
            out_indices=(0, 2, 3),
        ),
        ['layers.0', 'layers.2'],
        (0,),
    ),
    'densenet': Case(
        dict(
            type='mmpretrain.DenseNet',
            arch=dict(growth_rate=4, depths=[2, 2, 2, 2], init_channels=8),
            out_indices=(1, 3),
        ),
        ['transitions.0', 'transitions.2'],
        (0,),
    ),
    'hrnet': Case(
        dict(
            type='mmseg.HRNet',
            extra=dict(
                stage1=dict(
                    num_modules=1,
                    num_branches=1,
                    block='BOTTLENECK',
                    num_blocks=(2,),
                    num_channels=(4,),
                ),
                stage2=dict(
                    num_modules=1,
                    num_branches=2,
                    block='BASIC',
                    num_blocks=(1, 1),
                    num_channels=(4, 8),
                ),
                stage3=dict(
                    num_modules=1,
                    num_branches=3,
                    block='BASIC',
                    num_blocks=(1, 1, 1),
                    num_channels=(4, 8, 16),
                ),
                stage4=dict(
                    num_modules=1,
                    num_branches=4,
                    block='BASIC',
                    num_blocks=(1, 1, 1, 1),
                    num_channels=(4, 8, 16, 32),
                ),
            ),
        ),
        ['layer1.0', 'layer1.1'],
    ),
}

CONTEXT_CASES = {
    f'{name}_{mode}': CASES[name]._replace(context_supply=dict(mode=mode))
    for name, mode in [
        ('toy', 'r1e'),
        ('resnet_v1c_dilated', 'r2e'),
        ('resnet_v1d_with_cp', 'r1'),
        ('resnet_mmdet_frozen', 'r1e'),
        ('swin', 'r1e'),
        ('convnext', 'e'),
        ('vit', 'r2'),
        ('densenet', 'r1e'),
    ]
}


def build_model(
    case: Case, num_local_modules: Optional[int] = None, is_local: bool = True
) -> ToyModel:
    """The case's backbone in a toy model; K counts the last module too."""
    boundaries = case.boundaries
    if num_local_modules is not None:
        boundaries = boundaries[: num_local_modules - 1]
    backbone = dict(case.backbone)
    if is_local:
        backbone = dict(
            type='LocalBackbone',
            backbone=backbone,
            local_modules=[
                dict(
                    boundary=name,
                    decoder=dict(type='ReconstructionDecoder', channels=(6,)),
                    aux_head=dict(type='ToyHead'),
                )
                for name in boundaries
            ],
            # none where there is no boundary
            context_supply=case.context_supply if boundaries else None,
        )
    torch.manual_seed(0)
    model = ToyModel(backbone)
    model.eval()
    with torch.no_grad():
        inputs, labels = make_batch()
        model(inputs, labels, mode='loss')  # the neck learns its width
    torch.manual_seed(1)
    for parameter in model.neck.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.train()


def make_batch(size: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.rand(2, 3, size, size, generator=generator) * 255
    return inputs, torch.tensor([0, 2])
