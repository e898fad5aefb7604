"""MAN's aux net: its order, its weights, and what is kept of it."""

import asserts
import pytest
import torch
from cases import COPYING_CASES, build_model, make_batch
from torch import nn

from localsup_mm import LocalOptimWrapper, supervise_locally
from localsup_mm.models.backbones import CIFARResNet

CASE = COPYING_CASES['resnet_cifar_momentum']


def find_blocks(model: nn.Module) -> list[nn.Module]:
    modules = model.backbone.local_supervision.local_modules
    return [module.shared_neck for module in modules]


def copy_parameters(module: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def test_follows_the_next_block_before_its_step():
    model = build_model(CASE)
    blocks = find_blocks(model)
    assert [b.block_name for b in blocks] == [
        'layer1.0',
        'layer2.1',
        'layer4.1',
    ]
    sources = [model.backbone.get_submodule(b.block_name) for b in blocks]
    before = [copy_parameters(b.average) for b in blocks]
    source_before = [copy_parameters(s) for s in sources]
    asserts.train_step(model, asserts.wrap(model))
    for block, old, source in zip(blocks, before, source_before, strict=True):
        for now, average, parameter in zip(
            block.average.parameters(), old, source, strict=True
        ):
            # momentum 0.5, of the weights that the step had not changed yet
            expected = 0.5 * average + 0.5 * parameter
            torch.testing.assert_close(now, expected)
    # and the step did change them
    for source, old in zip(sources, source_before, strict=True):
        assert not torch.equal(next(source.parameters()), old[0])


def test_starts_from_weights_of_its_own():
    (block,) = find_blocks(
        build_model(CASE._replace(boundaries=CASE.boundaries[:1]))
    )
    first = next(block.trained.parameters())
    assert not torch.equal(first, next(block.average.parameters()))


def test_average_hands_gradients_on():
    (block,) = find_blocks(
        build_model(CASE._replace(boundaries=CASE.boundaries[:1]))
    )
    x = torch.rand(2, 8, 8, 8, requires_grad=True)
    with torch.no_grad():
        block.scale.zero_()
    block((x,))[0].square().sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in block.average.parameters())


def test_scale_of_one_is_man():
    torch.manual_seed(0)
    (block,) = find_blocks(
        build_model(CASE._replace(boundaries=CASE.boundaries[:1]))
    )
    x = torch.rand(2, 8, 8, 8)
    (scaled,) = block((x,))
    scale, block.scale = block.scale, None
    (plain,) = block((x,))
    assert torch.equal(scaled, plain)
    block.scale = scale
    scaled.sum().backward()
    assert scale.grad is not None


def test_follows_once_for_each_step():
    model = build_model(CASE)
    wrapper = asserts.wrap(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    block = find_blocks(model)[0]
    before = copy_parameters(block.average)
    asserts.train_step(model, wrapper)
    for now, old in zip(block.average.parameters(), before, strict=True):
        assert torch.equal(now, old)
    asserts.train_step(model, wrapper)
    assert not torch.equal(next(block.average.parameters()), before[0])


def test_optimizer_leaves_the_average_alone():
    model = build_model(CASE)
    for block in find_blocks(model):
        block.momentum = 1.0
    before = [copy_parameters(b.average) for b in find_blocks(model)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    asserts.train_step(model, LocalOptimWrapper(optimizer=optimizer))
    for block, old in zip(find_blocks(model), before, strict=True):
        asserts.assert_equal(
            dict(enumerate(copy_parameters(block.average))),
            dict(enumerate(old)),
        )


def test_is_in_the_state_dict_and_an_aux_net():
    keys = build_model(CASE).state_dict()
    average = [key for key in keys if '.average.' in key]
    assert average
    assert all('.local_supervision.' in key for key in average)


@pytest.mark.parametrize('mode', ['train', 'eval'])
def test_statistics_of_its_norms_are_its_own(mode):
    model = build_model(CASE)
    block = find_blocks(model)[0]
    getattr(model, mode)()
    inputs, labels = make_batch(model)
    found = block.average.module.norm1.running_mean
    before = found.clone()
    if mode == 'train':
        asserts.train_step(model, asserts.wrap(model))
        assert not torch.equal(found, before)
        own = model.backbone.layer1[0].norm1.running_mean
        assert not torch.equal(found, own)
    else:
        model(inputs, labels, mode='loss')
        assert torch.equal(found, before)


def test_refuses_a_place_where_no_block_follows():
    def supervise(boundary: str, **kwargs) -> nn.Module:
        return supervise_locally(
            CIFARResNet(8),
            [
                dict(
                    boundary=boundary,
                    shared_neck=dict(type='MomentumBlock', **kwargs),
                    decoder={},
                )
            ],
        )

    with pytest.raises(ValueError, match='none behind it'):
        supervise('layer3.0')
    with pytest.raises(ValueError, match=r'`momentum` .* but got 2'):
        supervise('layer1.0', momentum=2)


def test_refuses_a_boundary_before_a_downsampling():
    from mmseg.models import SwinTransformer

    backbone = SwinTransformer(
        embed_dims=12, depths=(2, 2, 2, 2), num_heads=(1, 2, 3, 4)
    )
    with pytest.raises(
        ValueError,
        match=r"features of 12 channels, .* 'stages.1.blocks.0' takes 24",
    ):
        supervise_locally(
            backbone,
            [
                dict(
                    boundary='stages.0.blocks.1',
                    shared_neck=dict(type='MomentumBlock'),
                    decoder={},
                )
            ],
        )
