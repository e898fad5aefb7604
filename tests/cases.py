"""One table of networks: each is put through every property.

A backbone is put into a toy model, or into a host's detector.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import ConfigDict
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from tiny_detector import read_narrow_model
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import localsup_mm  # noqa: F401 - registers everything


class Case(NamedTuple):
    """A backbone, where it is cut, and what follows from the cut."""

    backbone: dict
    boundaries: Sequence[str]
    closed_outputs: tuple[int, ...] = ()
    taps: tuple[str, ...] = ()
    context_supply: Optional[dict] = None
    model: Optional[dict] = None
    local_module: Optional[dict] = None


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
class ClipBackbone(BaseModule):
    """Four 3D convs, two of which halve the rate; two outputs.

    The first has a norm of its own.
    """

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, channels, (1, 3, 3), (1, 4, 4), (0, 1, 1))
        self.conv2 = nn.Conv3d(channels, channels, 3, 2, 1)
        self.norm2 = nn.GroupNorm(2, channels)
        self.conv3 = nn.Conv3d(channels, channels, 3, (2, 1, 1), 1)
        self.conv4 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x2 = self.conv2(self.conv1(x).relu()).relu()
        return self.norm2(x2), self.conv4(self.conv3(x2).relu())


@MODELS.register_module()
class FoldingBackbone(nn.Sequential):
    """It folds pixels into channels before its first conv, as YOLOX does."""

    def __init__(self) -> None:
        convs = [nn.Conv2d(n, 8, 3, padding=1) for n in (12, 8, 8)]
        super().__init__(
            nn.PixelUnshuffle(2),
            nn.Sequential(convs[0], nn.ReLU()),
            nn.Sequential(convs[1], nn.ReLU()),
            convs[2],
        )


@MODELS.register_module()
class CheckpointedBackbone(BaseModule):
    """Four blocks, by ``num_together`` run again in the backward; 0: none.

    As one writes it in plain torch: without a flag that the trace could
    switch off, and around the blocks, so that their hooks run again too.
    """

    def __init__(self, num_together: int = 1) -> None:
        super().__init__()
        self.num_together = num_together
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
            )
            for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        number = self.num_together or 4
        for i in range(0, 4, number):
            blocks = nn.Sequential(*self.blocks[i : i + number])
            if self.num_together:
                x = checkpoint(blocks, x, use_reentrant=False)
            else:
                x = blocks(x)
        return x


@MODELS.register_module()
class ToyHead(BaseModule):
    """Global pooling, a linear layer and cross-entropy."""

    def __init__(self, in_channels: int, num_classes: int = 3) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.fc = nn.Linear(in_channels, num_classes)

    def loss(self, feats: tuple, data_samples: Tensor) -> dict:
        logits = self.fc(feats[-1].flatten(2).mean(2))
        accuracy = (logits.argmax(1) == data_samples).float().mean()
        return dict(
            loss_ce=F.cross_entropy(logits, data_samples), accuracy=accuracy
        )


@MODELS.register_module()
class ToyTokenHead(ToyHead):
    """A linear layer on the class token."""

    def loss(self, feats: tuple, data_samples: Tensor) -> dict:
        return super().loss((feats[-1][..., None, None],), data_samples)


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
        pooled = [f.flatten(2).mean(2) if f.dim() > 3 else f for f in feats]
        logits = self.neck(torch.cat(pooled, 1))
        return dict(loss_ce=F.cross_entropy(logits, data_samples))


CASES = {
    'toy': Case(
        dict(type='ToyBackbone'), ['conv1', 'conv3'], (0, 1), ('norm2',)
    ),
    'folding': Case(dict(type='FoldingBackbone'), ['1', '2']),
    'clip': Case(
        dict(type='ClipBackbone'), ['conv2', 'conv3'], (0,), ('norm2',)
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

CHECKPOINTED_CASES = {
    f'checkpointed_{n}': Case(
        dict(type='CheckpointedBackbone', num_together=n),
        ['blocks.0', 'blocks.2'],
    )
    for n in (1, 2)
}

FROZEN_RESNET = dict(
    type='mmdet.ResNet',
    depth=18,
    base_channels=8,
    stem_channels=8,
    frozen_stages=1,
    norm_eval=True,
)
TINY_SWIN = dict(
    type='mmdet.SwinTransformer',
    embed_dims=12,
    depths=(2, 2, 2, 2),
    num_heads=(1, 2, 3, 4),
)
DENSE_HEAD = dict(
    type='mmdet.ATSSHead',
    num_classes=3,
    feat_channels=32,
    stacked_convs=1,
    anchor_generator=dict(
        type='AnchorGenerator',
        ratios=[1.0],
        octave_base_scale=8,
        scales_per_octave=1,
    ),
    loss_cls=dict(type='FocalLoss', use_sigmoid=True),
    loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    train_cfg=dict(
        assigner=dict(type='ATSSAssigner', topk=9),
        allowed_border=-1,
        pos_weight=-1,
        debug=False,
    ),
)
FPN = dict(
    type='mmdet.FPN',
    out_channels=8,
    num_outs=3,
    add_extra_convs='on_input',
)
DECODER = dict(
    type='ReconstructionDecoder', channels=(6,), ignore_padding=True
)

CASES.update(
    # lateral convs, a dense head on the pyramid so far, reconstruction
    retinanet=Case(
        FROZEN_RESNET,
        ['layer2.1', 'layer3.1'],
        (1,),
        model=read_narrow_model(
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', FROZEN_RESNET
        ),
        local_module=dict(
            decoder=DECODER, aux_neck=FPN, aux_head=DENSE_HEAD, pyramid=True
        ),
    ),
    # several heads, no neck; norms behind the stages
    mask_rcnn_swin=Case(
        TINY_SWIN,
        ['stages.0.blocks.1', 'stages.2.blocks.0'],
        (0, 1),
        ('norm0', 'norm1'),
        model=read_narrow_model(
            'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py', TINY_SWIN, 12
        ),
        local_module=dict(
            decoder=DECODER,
            aux_head=[
                DENSE_HEAD,
                dict(
                    type='ClassMapHead',
                    num_classes=3,
                    channels=8,
                    source='masks',
                ),
            ],
        ),
    ),
)

# aux nets of copies of the backbone's blocks
SAMPLED = dict(
    decoder=dict(type='ReconstructionDecoder', channels=(6,)),
    aux_neck=dict(type='SampledBlocks', depth=2),
    aux_head=dict(type='ToyHead'),
)
MOMENTUM = dict(
    shared_neck=dict(type='MomentumBlock', momentum=0.5, scaled=True),
    decoder=dict(type='ReconstructionDecoder', channels=(6,)),
    aux_head=dict(type='ToyHead'),
)
# what enters a local module is rebuilt; a ViT's head reads the class token
FEATURES = dict(
    decoder=dict(type='FeatureDecoder', channels=(8, 6), target_stride=4),
    aux_head=dict(type='ToyHead'),
)
CLASS_TOKEN = dict(
    FEATURES, aux_head=dict(type='ToyTokenHead'), class_token=True
)
FEATURE_CASES = {
    'resnet_cifar_features': CASES['resnet_cifar']._replace(
        local_module=FEATURES
    ),
    'swin_features': CASES['swin']._replace(local_module=FEATURES),
    'vit_dense_features': CASES['vit_dense']._replace(local_module=FEATURES),
    # DeiT, in mmpretrain a ViT of another size
    'deit_features': Case(
        dict(CASES['vit'].backbone, drop_path_rate=0.1),
        ['layers.0', 'layers.1', 'layers.2'],
        local_module=CLASS_TOKEN,
    ),
}
CASES.update(FEATURE_CASES)

COPYING_CASES = {
    **{
        f'{name}_sampled': CASES[name]._replace(local_module=SAMPLED)
        for name in [
            'resnet_cifar',
            'resnet_v1c_dilated',
            'resnet_v1d_with_cp',
            'resnext',
            'convnext',
            'vit',
        ]
    },
    **{
        f'{name}_momentum': CASES[name]._replace(local_module=MOMENTUM)
        for name in [
            'resnet_cifar',
            'resnet_v1c_dilated',
            'resnet_mmdet_frozen',
            'resnext',
            'convnext',
            'vit',
        ]
    },
    # without drop path, which draws in another order than the oracle
    **{
        f'swin_{kind}': CASES['swin']._replace(
            backbone=dict(CASES['swin'].backbone, drop_path_rate=0.0),
            boundaries=['stages.0.blocks.0', 'stages.2.blocks.0'],
            local_module=local_module,
        )
        for kind, local_module in [
            ('sampled', SAMPLED),
            ('momentum', MOMENTUM),
        ]
    },
}
CASES.update(COPYING_CASES)


def name_cases(names: Iterable[str]) -> list[Any]:
    """Names as parameters of a test; most cases that copy are slow ones."""
    quick = ('resnet_cifar', 'swin', 'vit')
    return [
        pytest.param(name, marks=pytest.mark.slow)
        if name in COPYING_CASES and not name.startswith(quick)
        else name
        for name in names
    ]


CONTEXT_CASES = {
    f'{name}_{mode}': CASES[name]._replace(context_supply=dict(mode=mode))
    for name, mode in [
        ('toy', 'r1e'),
        ('folding', 'r1e'),
        ('clip', 'r1e'),
        ('resnet_v1c_dilated', 'r2e'),
        ('resnet_v1d_with_cp', 'r1'),
        ('resnet_mmdet_frozen', 'r1e'),
        ('swin', 'r1e'),
        ('convnext', 'e'),
        ('vit', 'r2'),
        ('densenet', 'r1e'),
    ]
}


TOY_LOCAL_MODULE = dict(
    decoder=dict(type='ReconstructionDecoder', channels=(6,)),
    aux_head=dict(type='ToyHead'),
)


def build_model(
    case: Case, num_local_modules: Optional[int] = None, is_local: bool = True
) -> BaseModel:
    """The case's backbone in its model; K counts the last module too."""
    boundaries = case.boundaries
    if num_local_modules is not None:
        boundaries = boundaries[: num_local_modules - 1]
    backbone = dict(case.backbone)
    if is_local:
        parts = case.local_module or TOY_LOCAL_MODULE
        backbone = dict(
            type='LocalBackbone',
            backbone=backbone,
            local_modules=[dict(boundary=b, **parts) for b in boundaries],
            # none where there is no boundary
            context_supply=case.context_supply if boundaries else None,
        )
    torch.manual_seed(0)
    if case.model is not None:
        model = MODELS.build(ConfigDict(case.model, backbone=backbone))
    else:
        model = ToyModel(backbone)
        model.eval()
        with torch.no_grad():
            inputs, labels = make_batch(model)
            model(inputs, labels, mode='loss')  # the neck learns its width
    torch.manual_seed(1)
    for parameter in model.neck.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.train()


def make_batch(
    model: Optional[BaseModel] = None, size: int = 64
) -> tuple[Tensor, Any]:
    """Two images or clips, and labels as the model takes them."""
    generator = torch.Generator().manual_seed(2)
    is_of_clips = model is not None and any(
        isinstance(m, nn.Conv3d) for m in model.modules()
    )
    shape = (3, 8, size, size) if is_of_clips else (3, size, size)
    inputs = torch.rand(2, *shape, generator=generator) * 255
    if model is None or isinstance(model, ToyModel):
        return inputs, torch.tensor([0, 2])
    return inputs, [make_instances(size, size), make_instances(size, size - 9)]


def make_instances(size: int, height: int) -> DetDataSample:
    """Two instances in an image padded below."""
    boxes = torch.tensor([[4.0, 6.0, 30.0, 28.0], [20.0, 16.0, 60.0, 50.0]])
    masks = np.zeros((2, height, size), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist()):
        mask[y1:y2, x1 : (x1 + x2) // 2] = 1
    instances = InstanceData(
        bboxes=boxes,
        labels=torch.tensor([0, 2]),
        masks=BitmapMasks(masks, height, size),
    )
    sample = DetDataSample(gt_instances=instances)
    sample.ignored_instances = InstanceData(bboxes=boxes.new_zeros(0, 4))
    sample.set_metainfo(
        dict(
            img_shape=(height, size),
            ori_shape=(height, size),
            pad_shape=(size, size),
            batch_input_shape=(size, size),
            scale_factor=(1.0, 1.0),
        )
    )
    return sample
