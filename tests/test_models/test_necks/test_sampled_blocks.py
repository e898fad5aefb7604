"""The blocks that AugLocal samples, against those of the authors' code."""

import pytest
import torch
from torch import nn

from localsup_mm import supervise_locally
from localsup_mm.models import SampledBlocks
from localsup_mm.models.backbones import CIFARResNet
from localsup_mm.supervision.block_copier import BlockCopier
from localsup_mm.tracing import trace_backbone


def name_boundaries(depth: int, count: int) -> list[str]:
    """Name the ends of the first layers of a CIFAR ResNet: stem, blocks."""
    blocks = [
        f'layer{stage}.{i}'
        for stage in (1, 2, 3)
        for i in range((depth - 2) // 6)
    ]
    return ['conv1', *blocks][:count]


def build(depth: int, requested: int, num_layers: int) -> list[SampledBlocks]:
    net = supervise_locally(
        CIFARResNet(depth),
        [
            dict(
                boundary=name,
                aux_neck=dict(
                    type='SampledBlocks', depth=requested, pool=True
                ),
                aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=10),
            )
            for name in name_boundaries(depth, num_layers)
        ],
    )
    modules = net.local_supervision.local_modules
    return [module.aux_neck for module in modules]


def describe(neck: SampledBlocks) -> list[tuple[int, int]]:
    """Width and stride of each block, as a conv of it says."""
    found = []
    for block in neck.blocks:
        convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
        assert not block._pools
        assert convs[0].stride[0] == block.stride
        found.append((convs[-1].out_channels, block.stride))
    return found


# depth of the network, D, boundaries; the depths of their aux nets
DEPTHS = [
    (32, 2, 13, [2] * 13),
    (32, 3, 12, [3] * 6 + [2] * 6),
    (32, 5, 10, [5] * 3 + [4] * 4 + [3] * 3),
]
DEEP = [
    (110, 3, 51, [3] * 25 + [2] * 26),
    (110, 5, 49, [5] * 12 + [4] * 25 + [3] * 12),
    (110, 6, 48, [6] * 10 + [5] * 19 + [4] * 19),
]


@pytest.mark.parametrize(('depth', 'requested', 'count', 'expected'), DEPTHS)
def test_depths_follow_the_pyramid_rule(depth, requested, count, expected):
    necks = build(depth, requested, count)
    assert [len(neck.blocks) for neck in necks] == expected


@pytest.mark.parametrize(
    ('requested', 'count', 'expected'), [case[1:] for case in DEEP]
)
def test_depths_of_a_deep_network(requested, count, expected):
    # the rule alone; to build all these aux nets takes a while
    class Copier:
        def __init__(self, ratio: float) -> None:
            self.ratio = ratio

        def sample(self, in_channels: int, depth: int) -> list[nn.Module]:
            block = nn.Identity()
            block.out_channels, block.stride = in_channels, 1
            return [block] * depth

    found = [
        len(SampledBlocks(16, Copier(i / (count - 1)), requested).blocks)
        for i in range(count)
    ]
    assert found == expected


@pytest.mark.parametrize(
    ('depth', 'layer', 'requested', 'expected'),
    [
        (32, 0, 3, [(16, 1), (32, 2), (64, 2)]),
        (32, 1, 3, [(32, 2), (32, 1), (64, 2)]),
        (32, 11, 2, [(64, 1), (64, 1)]),
        (110, 0, 3, [(16, 1), (32, 2), (64, 2)]),
        (110, 10, 3, [(32, 2), (64, 2), (64, 1)]),
        # both halvings of 16 -> 64 fit only if another block follows
        (32, 0, 1, [(64, 2)]),
        (32, 5, 1, [(64, 2)]),
    ],
)
def test_widths_and_strides(depth, layer, requested, expected):
    backbone = CIFARResNet(depth)
    trace = trace_backbone(backbone)
    copier = BlockCopier(backbone, trace.blocks, layer)
    width = (16, 32, 64)[max(layer - 1, 0) // ((depth - 2) // 6)]
    neck = SampledBlocks(width, copier, requested)
    assert describe(neck) == expected
    size = 32 // (width // 16)
    (out,) = neck((torch.rand(2, width, size, size),))
    assert out.shape[:2] == (2, 64)
    assert size / out.shape[2] == neck.stride


def test_two_halvings_in_one_width():
    """16 -> 64 in one block, and the next one halves once more."""
    backbone = CIFARResNet(20)
    del backbone.layer2[1:]  # so short that a sample skips it
    trace = trace_backbone(backbone)
    neck = SampledBlocks(16, BlockCopier(backbone, trace.blocks, 3), 2)
    assert describe(neck) == [(64, 2), (64, 2)]


def test_imagenet_resnet_34():
    from mmpretrain.models import ResNet

    backbone = ResNet(34)
    trace = trace_backbone(backbone)
    neck = SampledBlocks(
        64, BlockCopier(backbone, trace.blocks, 0), depth=4, decay=0
    )
    assert describe(neck) == [(128, 2), (256, 2), (256, 1), (512, 2)]
    names = [
        [
            trace.blocks[round(done + (16 - done) * i / depth) - 1].name
            for i in range(1, depth + 1)
        ]
        for done, depth in [(6, 4), (13, 3), (15, 1)]
    ]
    assert names == [
        ['layer3.0', 'layer3.3', 'layer4.0', 'layer4.2'],
        ['layer4.0', 'layer4.1', 'layer4.2'],
        ['layer4.2'],
    ]


def test_copies_are_new():
    """No parameter is shared with the backbone or starts like its own."""
    necks = build(20, 2, 4)
    backbone = CIFARResNet(20)
    own = {id(p) for p in backbone.parameters()}
    for neck in necks:
        assert not own & {id(p) for p in neck.parameters()}
    trace = trace_backbone(backbone)
    neck = SampledBlocks(64, BlockCopier(backbone, trace.blocks, 8), 1)
    theirs = backbone.layer3[2].state_dict()
    for name, value in neck.blocks[0].module.state_dict().items():
        if value.dim() > 1:
            assert not torch.equal(value, theirs[name]), name
            fan_out = value.shape[0] * 9
            # as the backbone draws its convs
            assert value.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


def test_dilated_stages_keep_their_size():
    from mmseg.models import ResNetV1c

    backbone = ResNetV1c(
        depth=18,
        base_channels=8,
        stem_channels=8,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
    )
    trace = trace_backbone(backbone, (64, 64))
    neck = SampledBlocks(8, BlockCopier(backbone, trace.blocks, 1), 3)
    (out,) = neck((torch.rand(2, 8, 16, 16),))
    assert out.shape == (2, 64, 8, 8)
    assert neck.stride == 2


def test_transformer_blocks_keep_the_width():
    from mmseg.models import SwinTransformer

    backbone = SwinTransformer(
        embed_dims=12, depths=(2, 2, 2, 2), num_heads=(1, 2, 3, 4)
    )
    trace = trace_backbone(backbone, (64, 64))
    neck = SampledBlocks(12, BlockCopier(backbone, trace.blocks, 2), 3)
    assert (neck.stride, neck.out_channels) == (1, 12)
    assert len(neck.blocks) == 3
    (out,) = neck((torch.rand(2, 12, 16, 16),))
    assert out.shape == (2, 12, 16, 16)


def test_refuses_what_cannot_be_sampled():
    backbone = CIFARResNet(8)
    trace = trace_backbone(backbone)
    with pytest.raises(ValueError, match='3 blocks of CIFARResNet before it'):
        SampledBlocks(64, BlockCopier(backbone, trace.blocks, 3), 2)
    for kwargs, message in [
        (dict(depth=0), '`depth` of SampledBlocks .* at least 1, but got 0'),
        (dict(decay=1.5), '`decay` of SampledBlocks .* but got 1.5'),
    ]:
        with pytest.raises(ValueError, match=message):
            SampledBlocks(16, BlockCopier(backbone, trace.blocks, 0), **kwargs)


def test_refuses_widths_that_do_not_chain():
    # both blocks begin with a norm of their own width
    class Block(nn.Sequential):
        def __init__(self, width: int, out: int) -> None:
            super().__init__(nn.GroupNorm(1, width), nn.Conv2d(width, out, 1))

    net = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Sequential(Block(4, 6), Block(6, 6)),
        nn.Sequential(Block(6, 8)),
        nn.Sequential(Block(8, 10)),
    )
    trace = trace_backbone(net)
    with pytest.raises(
        ValueError,
        match=r"4 channels, but got '3.0' of Sequential with 8, and none",
    ):
        SampledBlocks(4, BlockCopier(net, trace.blocks, 0), 1)
