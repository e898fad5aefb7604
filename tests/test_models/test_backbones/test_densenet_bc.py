"""Size, output and cuts of DenseNet-BC."""

import itertools

import pytest
import torch
from mmpretrain.models.backbones import DenseNet
from mmpretrain.structures import DataSample
from torch import nn

from localsup_mm import LocalStep, lend_step, supervise_locally, trace_backbone
from localsup_mm.models.backbones import DenseNetBC

LAYERS = [f'stages.{i}.block.{j}' for i in range(3) for j in range(16)]


def test_published_size():
    parameters = sum(p.numel() for p in DenseNetBC().parameters())
    # DenseNet-BC-100-12 with its linear layer, for CIFAR-10
    assert parameters + 342 * 10 + 10 == 769162


@pytest.mark.parametrize('size', [32, 96])
def test_output_shapes(size):
    net = DenseNetBC(out_indices=(0, 1, 2))
    with torch.no_grad():
        outputs = net(torch.rand(1, 3, size, size))
    assert [tuple(x.shape) for x in outputs] == [
        (1, 108, size // 2, size // 2),
        (1, 150, size // 4, size // 4),
        (1, 342, size // 4, size // 4),
    ]


@pytest.mark.parametrize(
    ('out_indices', 'channels'),
    [(-1, [27]), (0, [18]), ((1, -1), [15, 27]), ([-3], [18])],
)
def test_out_indices(out_indices, channels):
    given = out_indices if isinstance(out_indices, int) else [*out_indices]
    net = DenseNetBC(10, in_channels=1, out_indices=out_indices)
    outputs = net(torch.rand(2, 1, 8, 8))
    assert [x.shape[1] for x in outputs] == channels
    if not isinstance(out_indices, int):
        assert [*out_indices] == given


@pytest.mark.parametrize('memory_efficient', [False, True])
def test_matches_the_host_but_for_the_stem(memory_efficient):
    net = DenseNetBC(22, memory_efficient=memory_efficient)
    net.init_weights()
    host = DenseNet(dict(growth_rate=12, depths=[3] * 3, init_channels=24))
    host.stem = nn.Sequential(nn.Conv2d(3, 24, 3, padding=1, bias=False))
    host.load_state_dict(net.state_dict(), strict=True)
    x = torch.rand(2, 3, 16, 16)
    expected, found = host(x)[0], net(x)[0]
    assert found.equal(expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    for a, b in zip(net.parameters(), host.parameters(), strict=True):
        # the engine sums the paths to a layer in another order
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('memory_efficient', [False, True])
def test_each_layer_is_a_boundary(memory_efficient):
    net = DenseNetBC(memory_efficient=memory_efficient)
    trace = trace_backbone(net, (32, 32))
    assert [n for n in trace.boundaries if '.block.' in n] == LAYERS
    expected = [
        (start + 12 * (j + 1), stride)
        for start, stride in [(24, 1), (108, 2), (150, 4)]
        for j in range(16)
    ]
    found = [trace.boundaries[name] for name in LAYERS]
    assert [(b.channels, b.stride) for b in found] == expected
    partition = trace.partition(['stem', *LAYERS])
    names = set(itertools.chain(*partition.parameters))
    assert names == {name for name, _ in net.named_parameters()}
    # a transition opens the local module after it
    assert 'transitions.0.norm.weight' in partition.parameters[17]


@pytest.mark.parametrize('memory_efficient', [False, True])
def test_trains_cut_inside_a_block(memory_efficient):
    head = dict(type='PredSimHead', num_classes=10)
    names = ['stages.0.block.0', 'stages.1.block.1', 'stages.2.block.0']
    net = supervise_locally(
        DenseNetBC(16, memory_efficient=memory_efficient),
        [dict(boundary=name, aux_head=head) for name in names],
        (16, 16),
    )
    labels = [DataSample().set_gt_label(i) for i in (0, 0, 1)]
    step = LocalStep(lambda _, losses: sum(losses.values()).backward(), labels)
    with lend_step(net, step):
        net(torch.rand(3, 3, 16, 16))[0].mean().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_init_weights():
    net = DenseNetBC()
    net.init_weights()
    conv = net.stages[0].block[0].conv2
    # Kaiming-normal of 3 x 3 x 12 outgoing connections; 5184 samples
    assert conv.weight.std().item() == pytest.approx(
        (2 / 108) ** 0.5, rel=0.05
    )
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 99
    assert all((m.weight == 1).all() and not m.bias.any() for m in norms)


def test_frozen_stages():
    net = DenseNetBC(10, frozen_stages=2)
    net.train()
    prefixes = ('stages.0', 'stages.1', 'transitions.0', 'transitions.1')
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad != name.startswith(prefixes)
    assert not net.stages[1].training
    assert net.stages[2].training


def test_norm_cfg_and_drop_rate():
    norm_cfg = dict(type='GN', num_groups=3)
    net = DenseNetBC(10, norm_cfg=norm_cfg, drop_rate=0.5)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    x = torch.rand(2, 3, 8, 8)
    assert not net(x)[0].equal(net(x)[0])


@pytest.mark.parametrize('depth', [4, 40.5, 99, 101])
def test_depth_of_no_whole_blocks(depth):
    with pytest.raises(ValueError, match=rf'6 n \+ 4.*but got {depth}'):
        DenseNetBC(depth)


@pytest.mark.parametrize('out_indices', [3, (0, -4)])
def test_out_indices_beyond_the_stages(out_indices):
    with pytest.raises(ValueError, match=r'`out_indices`.*but got (3|-4)'):
        DenseNetBC(10, out_indices=out_indices)


def test_image_too_small():
    with pytest.raises(ValueError, match=r'at least 4 pixels.*\(2, 32\)'):
        DenseNetBC(depth=10)(torch.rand(2, 3, 2, 32))
