"""Context encoders: what they add, what they learn from, where they stay."""

import copy
import itertools
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from asserts import (
    NoStep,
    assert_close,
    assert_equal,
    gradients,
    oracle_gradients,
    train_step,
    wrap,
)
from cases import CASES, CONTEXT_CASES, Case, build_model, make_batch
from mmengine.hooks import Hook
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint
from mmpretrain.structures import DataSample
from torch import nn
from torch.utils.data import Dataset
from torch.utils.flop_counter import FlopCounterMode

from localsup_mm import (
    LocalAmpOptimWrapper,
    LocalOptimWrapper,
    LocalStep,
    lend_step,
    supervise_locally,
    trace_backbone,
)
from localsup_mm.engine import (
    check_weights,
    export_checkpoint,
    prepare_model,
    reconstruct,
)
from localsup_mm.models.backbones import CIFARResNet
from localsup_mm.simulation import Workload, peak_memory
from localsup_mm.supervision import PARTITIONS, ContextSupply

# a ResNet of 14 layers: the stem and six blocks, in five local modules
LAYERS = ['relu', *(f'layer{i}.{j}' for i in (1, 2, 3) for j in (0, 1))]
BOUNDARIES = ['relu', 'layer1.1', 'layer2.0', 'layer3.0']
# n and whether there is an e
MODES = {
    'e': (0, True),
    'r1': (1, False),
    'r2': (2, False),
    'r16': (16, False),
    'r1e': (1, True),
    'r2e': (2, True),
}
NORMS = dict(BN={}, GN=dict(num_groups=4))


def build(mode, boundaries=BOUNDARIES, seed=0, norm='BN', **kwargs):
    context = None if mode is None else dict(mode=mode, **kwargs)
    model = build_model(
        Case(
            dict(
                type='CIFARResNet',
                depth=14,
                base_channels=8,
                norm_cfg=dict(type=norm, **NORMS[norm]),
            ),
            boundaries,
            context_supply=context,
        )
    )
    if seed:
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def make_images(batch=3, height=20, width=28):
    inputs = torch.rand(batch, 3, height, width) * 255
    return inputs, torch.arange(batch) % 3


def run_by_hand(model, inputs, labels):
    """Section 3 of the paper, block by block: all inputs and all losses."""
    num_sources, has_image = MODES[model.backbone.context_supply.mode]
    backbone = model.backbone
    encoders = backbone.context_supply.encoders
    us, losses = [inputs], []
    x = backbone.bn1(backbone.conv1(inputs))
    for name in LAYERS:
        x = backbone.get_submodule(name).forward(x)  # no hook
        if name not in BOUNDARIES:
            continue
        k = BOUNDARIES.index(name)
        local_module = backbone.local_supervision.local_modules[k]
        terms = local_module.loss(x, inputs, labels)
        losses.append(terms['loss_recon'] + terms['loss_ce'])
        x = x.detach()
        if has_image:
            context = inputs
            for conv, norm, _ in (
                encoders[k]['image'].narrow,
                encoders[k]['image'].wide,
            ):
                context = norm(conv(context)).relu()
            x = x + F.adaptive_avg_pool2d(context, x.shape[-2:])
        for j in range(num_sources):
            i = k - j
            if i > 0 or (i == 0 and not has_image):
                conv, norm, _ = encoders[k][f'r{j + 1}'].conv
                context = norm(conv(us[i].detach())).relu()
                x = x + F.adaptive_avg_pool2d(context, x.shape[-2:])
        us.append(x)
    losses.append(F.cross_entropy(model.neck(x.mean((2, 3))), labels))
    return us, losses


def record(model):
    """What is handed on at each boundary."""
    us = []
    for name in BOUNDARIES:
        model.backbone.get_submodule(name).register_forward_hook(
            lambda module, args, u: us.append(u.detach().clone())
        )
    return us


@pytest.mark.parametrize('mode', MODES)
def test_formula_and_one_joint_backward(mode):
    """At another size than at build, with an odd batch."""
    inputs, labels = make_images()
    model, by_hand = build(mode), build(mode)
    prepare_model(by_hand)
    us, losses = run_by_hand(by_hand, inputs, labels)
    sum(losses).backward()
    found = record(model)
    model.train_step(
        dict(inputs=inputs, data_samples=labels),
        LocalOptimWrapper(optimizer=NoStep(model)),
    )
    # sums in another order
    torch.testing.assert_close(found, [u.detach() for u in us[1:]])
    assert_close(gradients(model), gradients(by_hand))
    assert len(gradients(model)) == len(list(model.parameters()))

    found.clear()
    with torch.no_grad():
        us, _ = run_by_hand(by_hand.eval(), inputs, labels)
        model.eval()(inputs)
    torch.testing.assert_close(found, us[1:])


@pytest.mark.parametrize('mode', ['r2e', 'r16'])
@pytest.mark.parametrize('k', range(len(BOUNDARIES) + 1))
def test_encoders_learn_from_the_local_module_they_feed(mode, k):
    """The last ones from the host's loss."""
    model = build(mode)
    prepare_model(model)
    inputs, labels = make_images()

    def backward(local_module, losses):
        if local_module.name == f'local_{k}':
            model.parse_losses(losses)[0].backward()

    with lend_step(model, LocalStep(backward)):
        final = model(inputs, labels, mode='loss')['loss_ce']
    if k == len(BOUNDARIES):
        final.backward()
    found = gradients(model)
    encoders = [
        f'backbone.context_supply.encoders.{k - 1}.{n}'
        for n, _ in (
            model.backbone.context_supply.encoders[k - 1].named_parameters()
            if k > 0
            else ()
        )
    ]
    assert bool(encoders) == (k > 0)
    own = model.backbone.local_supervision.partition.parameters[k]
    assert {n for n in found if not n.startswith(('neck', AUX_NETS))} == {
        *(f'backbone.{n}' for n in own),
        *encoders,
    }


AUX_NETS = 'backbone.local_supervision.'


def train_twice(model):
    wrapper = wrap(model)
    for _ in range(2):
        train_step(model, wrapper)
    return model.state_dict()


def test_r0_is_plain_local_training():
    assert_equal(train_twice(build('r0')), train_twice(build(None)))


def test_r1e_is_e_for_two_local_modules():
    boundaries = ['layer2.0']
    e, r1e = build('e', boundaries), build('r1e', boundaries)
    assert_equal(train_twice(r1e), train_twice(e))
    images = make_images()[0]
    assert torch.equal(r1e.eval()(images)[0], e.eval()(images)[0])


def count_parameters(network, mode, partition):
    context = ContextSupply(network, partition, mode)
    return sum(p.numel() for p in context.parameters())


# percent of ResNet-32's 466,906 parameters, for K = 2, 4, 8, 16
PERCENT = {
    'r0': (0.0, 0.0, 0.0, 0.0),
    'e': (0.8, 2.9, 6.2, 13.3),
    'r1': (0.0, 0.6, 1.9, 4.7),
    'r1e': (0.8, 3.5, 8.1, 18.0),
    'r2': (None, 0.9, 3.2, 8.7),
    'r4': (None, 1.0, 4.9, 15.0),
    'r8': (None, None, 5.9, 23.8),
    'r16': (None, None, None, 29.3),
}


def test_parameters_of_resnet32():
    network = CIFARResNet(32)
    trace = trace_backbone(network)
    numbers = {}
    for i, k in enumerate((2, 4, 8, 16)):
        partition = trace.partition(PARTITIONS['resnet32'][k].split())
        for mode, percents in PERCENT.items():
            number = count_parameters(network, mode, partition)
            numbers[mode, k] = number
            if percents[i] is not None:
                percent = round(100 * number / 466_906, 1)
                assert percent == percents[i], (mode, k)
    assert numbers['e', 16] == 62_232
    assert numbers['r1', 16] == 21_808
    assert numbers['r1e', 16] == 83_944
    # every earlier source, the image among them
    context = ContextSupply(network, partition, 'r16')
    assert [len(e) for e in context.encoders] == list(range(1, 16))
    context = ContextSupply(network, partition, 'r16e')
    assert [list(e) for e in context.encoders][:3] == [
        ['image'],
        ['image', 'r1'],
        ['image', 'r1', 'r2'],
    ]


def test_parameters_of_resnet110():
    network = CIFARResNet(110)
    partition = trace_backbone(network).partition(
        PARTITIONS['resnet110'][16].split()
    )
    for mode, expected in (('e', 3.6), ('r1e', 4.9)):
        number = count_parameters(network, mode, partition)
        assert round(100 * number / 1_730_714, 1) == expected


def test_initialization():
    model = build('r2e', channels=64)
    initialized_again = copy.deepcopy(model)
    initialized_again.init_weights()  # as a Runner
    for backbone in (model.backbone, initialized_again.backbone):
        assert not any(
            hasattr(m, '_params_init_info') for m in model.modules()
        )
        for module in backbone.context_supply.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] ** 2 * module.out_channels
                std = module.weight.std().item() * (fan_out / 2) ** 0.5
                number = module.weight.numel()
                # six standard errors
                assert abs(std - 1) < 6 / (2 * number) ** 0.5
                assert (
                    abs(module.weight.mean())
                    < 6 * (2 / fan_out / number) ** 0.5
                )
                assert not module.bias.any()
            elif isinstance(module, nn.BatchNorm2d):
                assert module.weight.eq(1).all()
                assert not module.bias.any()


def test_evaluation_depends_on_each_encoder():
    model = build('r2e').eval()
    images, _ = make_images()
    with torch.no_grad():
        before = model(images)[0]
        for encoders in model.backbone.context_supply.encoders:
            for encoder in encoders.values():
                changed = next(encoder.parameters())
                changed *= 2
                assert not torch.equal(model(images)[0], before)
                changed /= 2
        assert torch.equal(model(images)[0], before)


def test_exported_checkpoint_is_the_network(tmp_path):
    model = build('r1e', seed=1)
    train_twice(model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'iter_2.pth')
    path = tmp_path / 'exported.pth'
    export_checkpoint(str(tmp_path / 'iter_2.pth'), str(path))
    state = torch.load(path, weights_only=True)['state_dict']
    assert not any(AUX_NETS in name for name in state)
    fresh = build('r1e')
    keys = fresh.load_state_dict(state, strict=True)
    assert (keys.missing_keys, keys.unexpected_keys) == ([], [])
    check_weights(fresh, dict(state_dict=state), 'exported.pth')
    images, _ = make_images()
    with torch.no_grad():
        expected = model.eval()(images)[0]
        assert torch.equal(fresh.eval()(images)[0], expected)
        fresh = build('r1e')
        load_checkpoint(fresh, str(path), map_location='cpu')
        assert torch.equal(fresh.eval()(images)[0], expected)


@pytest.mark.parametrize(
    ('model', 'checkpoint', 'match'),
    [
        (
            dict(mode='r1e'),
            dict(mode='e'),
            r'no or another \S*encoders\.1\.r1',
        ),
        (dict(mode='e'), dict(mode='r1e'), r'surplus \S*encoders\.1\.r1, '),
        (
            dict(mode='r1'),
            dict(mode='e'),
            r'encoders\.0\.r1, .*encoders\.3\.r1; with surplus \S*0\.image, ',
        ),
        (
            dict(mode='r16e'),
            dict(mode='e'),
            r'1\.r1, \S*2\.r1, \S*2\.r2, \S*3\.r1 and 2 more\. Give',
        ),
        (
            dict(mode='e'),
            dict(mode='e', channels=8),
            r'no or another (\S*encoders\.\d\.image(, |\. Give)){4}',
        ),
        (
            dict(mode='r1'),
            dict(mode='r1', boundaries=BOUNDARIES[:3]),
            r'no or another \S*encoders\.3\.r1\.',
        ),
        (dict(mode='r0'), dict(mode='r1'), r'surplus \S*encoders\.0\.r1, '),
        (dict(mode=None), dict(mode='r1'), r'encoders\.0\.r1'),
    ],
)
def test_checkpoint_of_another_mode_is_refused(
    model, checkpoint, match, tmp_path
):
    model, checkpoint = build(**model), build(**checkpoint)
    path = str(tmp_path / 'iter_2.pth')
    torch.save(dict(state_dict=checkpoint.state_dict()), path)
    with pytest.raises(ValueError, match=match):
        model.load_state_dict(checkpoint.state_dict(), strict=False)
    with pytest.raises(ValueError, match=match):
        load_checkpoint(model, path, map_location='cpu')
    with pytest.raises(ValueError, match=rf'{path}.*{match}'):
        check_weights(model, torch.load(path), path)


def test_checkpoint_with_context_is_not_of_the_plain_host():
    case = Case(dict(type='CIFARResNet', depth=14, base_channels=8), [])
    plain, checkpoint = build_model(case, is_local=False), build('r1e')
    with pytest.raises(ValueError, match=r'surplus backbone\.context_supply'):
        check_weights(plain, checkpoint.state_dict(), 'iter_2.pth')
    # nor of the end-to-end baseline
    with pytest.raises(ValueError, match=r'encoders\.0\.image.*more'):
        build_model(case).load_state_dict(
            checkpoint.state_dict(), strict=False
        )


def test_plain_checkpoint_is_a_start_but_no_result(tmp_path):
    case = Case(dict(type='CIFARResNet', depth=14, base_channels=8), [])
    plain = build_model(case, is_local=False)
    with torch.no_grad():
        plain.backbone.conv1.weight += 1
    path = str(tmp_path / 'e2e.pth')
    torch.save(dict(state_dict=plain.state_dict()), path)
    model = build('r1e')
    expected = copy.deepcopy(model.backbone.context_supply.state_dict())
    load_checkpoint(model, path, map_location='cpu')
    assert torch.equal(
        model.backbone.conv1.weight, plain.backbone.conv1.weight
    )
    assert_equal(model.backbone.context_supply.state_dict(), expected)
    with pytest.raises(ValueError, match=r'e2e\.pth.*no or .*\.0\.image, '):
        check_weights(model, torch.load(path), path)
    # so is one of local modules without context
    model.load_state_dict(build('r0').state_dict(), strict=False)


@pytest.mark.parametrize(
    'mode', ['x', '', 're', 'r-1', 'r1e2', 'er1', 'r1 e', None, 1]
)
def test_unknown_mode(mode):
    network = CIFARResNet(8)
    with pytest.raises(
        ValueError,
        match=rf"'e', 'r{{n}}' or 'r{{n}}e'.*{re.escape(repr(mode))}\. 'r0'",
    ):
        ContextSupply(network, trace_backbone(network).partition([]), mode)


def test_context_needs_local_modules():
    with pytest.raises(ValueError, match=r"\{'mode': 'e'\} without one"):
        supervise_locally(CIFARResNet(8), [], context_supply=dict(mode='e'))
    with pytest.raises(TypeError, match="should be a dict, but got 'e'"):
        supervise_locally(
            CIFARResNet(8), [dict(boundary='relu')], context_supply='e'
        )


class OddLayout(nn.Module):
    """Features that are no (B, C, h, w) and no image tokens."""

    def __init__(self, layout):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, 4)
        self.boundary = nn.Linear(16, 16)
        self.layout = layout

    def forward(self, x):
        x = self.conv(x)
        if self.layout == 'channels last':
            x = x.permute(0, 2, 3, 1)
        elif self.layout == 'no batch':
            x = (
                x.flatten(2)
                .transpose(1, 2)
                .flatten(0, 1)
                .unflatten(0, (1, -1))
            )
        elif self.layout == 'too few':
            x = x.flatten(2).transpose(1, 2)[:, : 14 * 14]
        return self.boundary(x)


@pytest.mark.parametrize(
    ('layout', 'size', 'match'),
    [
        (
            'channels last',
            (96, 96),
            r"'boundary' should.*got \(2, 24, 24, 16\)",
        ),
        ('channels last', (64, 160), r"'boundary' should.*\(2, 16, 40, 16\)"),
        ('no batch', (56, 56), r"'boundary': its output \(1, 392, 16\)"),
        ('too few', (64, 64), r"16 x 16 tokens .* 'boundary', but got 196"),
    ],
)
def test_features_that_are_no_image(layout, size, match):
    """Where the trace cannot know, the first forward pass says so."""
    with pytest.raises(ValueError, match=match), torch.no_grad():
        network = supervise_locally(
            OddLayout(layout),
            [dict(boundary='boundary', aux_head=dict(type='ToyHead'))],
            input_size=(64, 64) if layout == 'channels last' else (56, 56),
            context_supply=dict(mode='e'),
        )
        network.eval()(torch.rand(2, 3, *size))


def test_image_that_tokens_do_not_fill():
    model = build_model(CONTEXT_CASES['vit_r2']).eval()
    with torch.no_grad():
        assert model(torch.rand(3, 3, 96, 32))[0].shape == (3, 16)
        model.backbone.patch_embed.adaptive_padding = None
        with pytest.raises(ValueError, match=r'7 x 4 tokens.*layers\.0'):
            model(torch.rand(2, 3, 100, 64))


@pytest.mark.parametrize('name', ['swin_r1e', 'densenet_r1e', 'vit_r2'])
def test_other_image_sizes(name):
    model = build_model(CONTEXT_CASES[name])
    size = (96, 48) if name == 'vit_r2' else (68, 44)
    inputs, labels = make_images(5, *size)
    wrapper = wrap(model)
    logs = model.train_step(dict(inputs=inputs, data_samples=labels), wrapper)
    assert logs['loss'].isfinite()


def test_norms_of_encoders_follow_the_backbone():
    """Not a host's norm_eval, but its own train() and eval()."""
    model = build_model(CONTEXT_CASES['resnet_mmdet_frozen_r1e']).train()
    context = model.backbone.context_supply

    def changed():
        return {
            n.startswith('backbone.context_supply')
            for n, b in model.named_buffers()
            if n.endswith('running_mean')
            and AUX_NETS not in n
            and not torch.equal(b, before[n])
        }

    before = copy.deepcopy(dict(model.named_buffers()))
    train_step(model, wrap(model))
    assert changed() == {True}
    assert all(
        not torch.equal(b, before[f'backbone.context_supply.{n}'])
        for n, b in context.named_buffers()
    )
    before = copy.deepcopy(dict(model.named_buffers()))
    with torch.no_grad():
        model.eval()(make_images()[0])
    assert changed() == set()


@pytest.mark.parametrize('name', ['resnet_v1d_with_cp_r1', 'swin_r1e'])
def test_bfloat16_on_a_cpu(name):
    model = build_model(CONTEXT_CASES[name])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        expected = oracle_gradients(model)
    train_step(model, LocalAmpOptimWrapper(optimizer=NoStep(model)))
    found = gradients(model)
    assert found.keys() == expected.keys()
    for key, grad in expected.items():
        if 'context_supply' in key and key.endswith('.0.bias'):
            continue  # a norm follows: 0, but for rounding
        # bfloat16 has 8 bits: sums in another order differ by some percent
        error = (found[key] - grad).norm() / (grad.norm() + 1e-3)
        assert error < 0.1, f'{key}: {error}'


@pytest.mark.parametrize('mode', ['e', 'r1', 'r2', 'r16e'])
def test_sources_are_held_as_long_as_needed(mode):
    num_sources, _ = {**MODES, 'r16e': (16, True)}[mode]
    model = build(mode)
    context = model.backbone.context_supply
    held = []
    for name in [*BOUNDARIES, 'layer3.1']:
        model.backbone.get_submodule(name).register_forward_pre_hook(
            lambda *args: held.append(sorted(context.sources))
        )
    train_step(model, wrap(model))
    assert held[-1] == []  # while the last local module runs
    for k, local_modules in enumerate(held[:-1]):
        first = max(1, k - num_sources + 1)
        assert local_modules == [0, *range(first, k + 1)]
    for grad in (torch.no_grad(), torch.enable_grad()):
        with grad:
            model.eval()(make_images()[0])
        assert not context.sources
    handle = model.backbone.layer2[1].register_forward_hook(
        lambda *args: 1 / 0
    )
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        model(make_images()[0])
    assert not context.sources
    handle.remove()
    with torch.inference_mode():
        model(make_images()[0])


def test_source_changed_in_place_is_refused():
    """The norm of the stem, which a ReLU overwrites."""
    boundaries = ['gn1', 'layer1.1']
    images, _ = make_images()
    with torch.no_grad():
        build('e', boundaries, norm='GN').eval()(images)
        with pytest.raises(RuntimeError, match=r"mode 'r1', but got 'gn1'"):
            build('r1', boundaries, norm='GN').eval()(images)


def test_images_of_four_channels():
    model = MODELS.build(
        dict(
            type='LocalBackbone',
            backbone=dict(type='CIFARResNet', depth=8, in_channels=4),
            local_modules=[
                dict(boundary=name, aux_head=dict(type='ToyHead'))
                for name in ('relu', 'layer2.0')
            ],
            context_supply=dict(mode='r2'),
        )
    )
    with torch.no_grad():
        output = model(torch.rand(2, 4, 16, 16))[0]
    assert output.shape == (2, 64, 4, 4)


def test_pool_first_is_cheaper():
    """Features of 256 channels at an eighth of the image's size."""
    flops, shapes, outputs = [], [], []
    for kwargs in (None, dict(pool_first=False), dict(pool_first=True)):
        network = supervise_locally(
            nn.Sequential(
                nn.Conv2d(3, 256, 8, 8), nn.ReLU(), nn.Conv2d(256, 256, 2, 2)
            ),
            [
                dict(boundary=name, aux_head=dict(type='ToyHead'))
                for name in ('1', '2')
            ],
            context_supply=kwargs and dict(mode='r1e', **kwargs),
        ).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            outputs.append(network(torch.rand(2, 3, 64, 64)))
        flops.append(counter.get_total_flops())
        shapes.append(
            {
                n: p.shape
                for n, p in network.named_parameters()
                if 'context_supply' in n
            }
        )
    assert shapes[0] == {}
    assert shapes[1] == shapes[2]
    assert [o.shape for o in outputs] == [(2, 256, 4, 4)] * 3
    faithful, cheap = flops[1] - flops[0], flops[2] - flops[0]
    narrow = 2 * 2 * 2 * 64 * 64 * 12 * 3 * 9  # at two boundaries
    # the wide convs at 8 x 8 and 4 x 4, not at 64 x 64
    wide = 2 * 2 * (8 * 8 + 4 * 4) * 256 * 12 * 9
    assert cheap == narrow + wide + 2 * 2 * 4 * 4 * 256 * 256
    assert faithful > 20 * cheap


def test_pool_first_trains():
    model = build('r2e', pool_first=True)
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    assert len(gradients(model)) == len(list(model.parameters()))


def test_norm_cfg():
    model = build('r1e', norm_cfg=dict(type='SyncBN', requires_grad=False))
    norms = [
        m
        for m in model.backbone.context_supply.modules()
        if isinstance(m, nn.SyncBatchNorm)
    ]
    assert len(norms) == 4 * 2 + 3
    assert not any(norm.weight.requires_grad for norm in norms)


def test_memory_is_planned_with_context():
    peaks = []
    for mode in ('r0', 'r1', 'r1e'):
        model = build(mode)
        prepare_model(model)
        peaks.append(
            peak_memory(
                Workload(
                    model,
                    (2, 3, 64, 64),
                    lambda shape: torch.zeros(shape[0], dtype=torch.long),
                    lambda parameters: torch.optim.SGD(parameters, lr=0.1),
                )
            )
        )
    assert peaks == sorted(peaks)
    assert peaks[0] < peaks[2]


@pytest.mark.parametrize(
    'parts',
    [
        dict(decoder=dict(channels=(12,))),
        dict(
            aux_neck=dict(type='ConvPool', fc_channels=(16,)),
            aux_head=dict(
                type='mmpretrain.LinearClsHead',
                num_classes=3,
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
            ),
        ),
        dict(
            decoder=dict(channels=(12,)),
            aux_neck=dict(type='ConvPool', fc_channels=(16,)),
            aux_head=dict(type='SupConHead'),
        ),
    ],
    ids=['decoder', 'softmax', 'contrast'],
)
def test_losses_of_infopro(parts):
    model = MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            data_preprocessor=dict(mean=[127.0] * 3, std=[64.0] * 3),
            backbone=dict(
                type='LocalBackbone',
                backbone=dict(type='CIFARResNet', depth=8),
                local_modules=dict(
                    boundaries=['relu', 'layer1.0', 'layer2.0'], **parts
                ),
                context_supply=dict(mode='r1e'),
            ),
            neck=dict(type='mmpretrain.GlobalAveragePooling'),
            head=dict(
                type='mmpretrain.LinearClsHead', num_classes=3, in_channels=64
            ),
        )
    )
    inputs, labels = make_images(4, 16, 16)
    samples = [DataSample().set_gt_label(i) for i in labels % 2]
    logs = model.train_step(
        dict(inputs=list(inputs), data_samples=samples),
        LocalOptimWrapper(optimizer=NoStep(model)),
    )
    assert logs['loss'].isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


class Images(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        inputs, labels = make_batch(size=32)
        return dict(inputs=inputs[index % 2], data_samples=labels[index % 2])


class States(Hook):
    def __init__(self):
        self.states = []

    def before_train_epoch(self, runner):
        self.states.append(copy.deepcopy(runner.model.state_dict()))

    after_train = before_train_epoch


def make_runner(mode, work_dir):
    return Runner(
        build(mode, ['layer1.1', 'layer2.1']),
        str(work_dir),
        train_dataloader=dict(
            dataset=Images(),
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='default_collate'),
        ),
        train_cfg=dict(type='AsynchronousTrainLoop', max_epochs=1),
        optim_wrapper=dict(
            type='LocalOptimWrapper',
            optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
        ),
        custom_hooks=[States()],
        log_level='ERROR',
        experiment_name=f'{Path(work_dir).name}_{mode}',
    )


def owner(name):
    """Encoders at a boundary belong to the local module behind it."""
    if 'encoders.' in name:
        return int(name.split('encoders.')[1][0]) + 1
    if 'local_modules.' in name:
        return int(name.split('local_modules.')[1][0])
    if name.startswith(('backbone.layer3', 'neck')):
        return 2
    return 1 if name.startswith('backbone.layer2') else 0


@pytest.mark.parametrize('mode', ['r1e', 'r2'])
def test_one_local_module_after_the_other(mode, tmp_path):
    runner = make_runner(mode, tmp_path)
    runner.train()
    (states,) = [h.states for h in runner.hooks if isinstance(h, States)]
    for phase, (before, after) in enumerate(itertools.pairwise(states)):
        changed = {n for n in before if not torch.equal(before[n], after[n])}
        expected = {n for n in before if owner(n) == phase}
        # a bias before a norm has a gradient of 0, but for rounding
        biases = {n for n in expected if n.endswith('.0.bias')}
        assert expected - biases <= changed <= expected, phase
    assert len(states) == 4
    assert not runner.model.backbone.context_supply.sources


def test_class_token_gets_nothing():
    model = build_model(CONTEXT_CASES['vit_r2'])
    layer = model.backbone.layers[0]
    tokens = []
    for is_first in (True, False):
        layer.register_forward_hook(
            lambda module, args, output: tokens.append(output),
            prepend=is_first,
        )
    inputs, _ = make_batch()
    with torch.no_grad():
        model.eval()(inputs)
        h, u = tokens
        (encoder,) = model.backbone.context_supply.encoders[0].values()
        context = encoder(inputs, (4, 4)).flatten(2).transpose(1, 2)
    assert torch.equal(u[:, 0], h[:, 0])
    assert torch.equal(u[:, 1:], h[:, 1:] + context)


def test_unguarded_checkpointing_is_refused(turn_on_activation_checkpointing):
    """It runs the boundary inside once more, in the backward."""
    model = build_model(CONTEXT_CASES['resnet_v1c_dilated_r2e'])
    turn_on_activation_checkpointing(model, ['backbone.layer3'])
    with pytest.raises(RuntimeError, match=r"'layer3\.0'.*with_cp=True"):
        train_step(model, wrap(model))


def test_closed_outputs_get_the_sum():
    """A stage's output is what the next local module gets."""
    case = CONTEXT_CASES['resnet_v1c_dilated_r2e']
    model, plain = build_model(case), build_model(CASES['resnet_v1c_dilated'])
    us = []
    model.backbone.layer1[1].register_forward_hook(
        lambda module, args, u: us.append(u)
    )
    inputs, _ = make_batch()
    with torch.no_grad():
        outputs, without = model.eval()(inputs), plain.eval()(inputs)
    assert torch.equal(outputs[0], us[0])
    assert not torch.equal(outputs[0], without[0])


def test_drawn_reconstructions_are_of_features_without_context():
    model = build('e', ['layer2.0'])
    prepare_model(model)
    images = torch.rand(2, 3, 16, 16)
    before = reconstruct(model, images)
    model.backbone.context_supply.encoders[0]['image'].wide[1].bias.data += 1
    for a, b in zip(reconstruct(model, images), before, strict=True):
        assert a.equal(b)


def test_the_image_before_its_pixels_are_folded():
    backbone = build_model(CONTEXT_CASES['folding_r1e']).backbone
    boundaries = backbone.local_supervision.partition.boundaries
    assert boundaries[0].image_channels == 3
    encoders = backbone.context_supply.encoders
    assert encoders[0]['image'].narrow[0].in_channels == 3
