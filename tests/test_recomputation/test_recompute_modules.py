"""What is computed again changes nothing but memory and time."""

import copy
from types import SimpleNamespace

import pytest
import torch
from asserts import assert_equal, gradients, train_step, wrap
from cases import (
    CASES,
    CONTEXT_CASES,
    build_model,
    name_cases,
)
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from localsup_mm import (
    LocalAmpOptimWrapper,
    LocalOptimWrapper,
    SetupError,
    recompute_modules,
    supervise_locally,
)
from localsup_mm.metering import LiveBytes, MacCounter
from localsup_mm.recomputation import find_recomputed

EVERY = {**CASES, **CONTEXT_CASES}
KINDS = ['full', 'cheap']


def find_layers(module, name):
    """Name blocks and layers that leave their input as it is."""
    is_list = type(module).forward is nn.Module.forward
    if is_list or type(module).forward is nn.Sequential.forward:
        return [
            found
            for child, part in module.named_children()
            for found in find_layers(part, f'{name}.{child}')
        ]
    return [] if getattr(module, 'inplace', False) else [name]


def find_parts(model):
    backbone = [
        found
        for child, part in model.backbone.named_children()
        if child not in ('local_supervision', 'context_supply')
        for found in find_layers(part, f'backbone.{child}')
    ]
    if hasattr(model.backbone, 'context_supply'):
        supervision = model.backbone.local_supervision
        boundaries = supervision.partition.boundaries
        # a second run of a boundary would ask for context again
        backbone = [
            name
            for name in backbone
            if not any(
                f'backbone.{b.name}'.startswith(f'{name}.') for b in boundaries
            )
        ]
    return [*backbone, 'neck']


def train(model, cls=LocalOptimWrapper, num_iters=2, **kwargs):
    wrapper = wrap(model, cls, **kwargs)
    for _ in range(num_iters):
        train_step(model, wrapper)
    return {**model.state_dict(), 'drawn next': torch.rand(3)}


def assert_trains_as_without(case, names, kind, *args, **kwargs):
    model = build_model(case)
    recompute_modules(model, {kind: names or find_parts(model)})
    found = train(model, *args, **kwargs)
    assert find_recomputed(model)[0].has_run
    assert_equal(found, train(build_model(case), *args, **kwargs))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'name',
    name_cases(
        n for n, case in EVERY.items() if not case.backbone.get('with_cp')
    ),
)
def test_parameters_and_statistics_are_those_without(name, kind):
    assert_trains_as_without(EVERY[name], None, kind)


CASE = CASES['resnet_v1c_dilated']


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('cls', 'kwargs'),
    [
        (LocalAmpOptimWrapper, {}),
        (LocalAmpOptimWrapper, dict(step_each_module=True)),
        (LocalOptimWrapper, dict(accumulative_counts=2)),
        (LocalOptimWrapper, dict(clip_grad=dict(max_norm=0.1))),
        (LocalOptimWrapper, dict(step_each_module=True)),
    ],
)
def test_with_any_wrapper(cls, kwargs, kind):
    assert_trains_as_without(CASE, None, kind, cls, **kwargs)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', ['toy', 'swin', 'retinanet'])
def test_without_local_modules(name, kind):
    case = CASES[name]
    model = build_model(case, is_local=False)
    recompute_modules(model, {kind: find_parts(model)})
    expected = train(build_model(case, is_local=False), OptimWrapper)
    assert_equal(train(model, OptimWrapper), expected)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'names',
    [
        ['backbone.layer1'],  # around a boundary
        ['backbone.layer*', 'backbone.layer*.*'],  # in one another
        ['backbone.local_supervision.local_modules.*.aux_head.fc'],
    ],
)
def test_anywhere(names, kind):
    assert_trains_as_without(CASE, names, kind)


def make_chain():
    torch.manual_seed(0)
    return nn.Sequential(
        *(
            nn.Sequential(
                *(
                    layer
                    for _ in range(4)
                    for layer in (
                        nn.Conv2d(4, 4, 3, padding=1),
                        nn.BatchNorm2d(4),
                        nn.ReLU(),
                    )
                )
            )
            for _ in range(4)
        )
    )


def find_cost(recompute):
    net = make_chain()
    recompute_modules(net, recompute)
    with LiveBytes(net) as live, MacCounter() as counter:
        net(torch.rand(2, 4, 32, 32)).sum().backward()
    return live.peak, counter.total


@pytest.mark.parametrize(
    ('kind', 'limit', 'macs_again'),
    [('full', 0.6, True), ('cheap', 0.85, False)],
)
def test_memory_and_compute(kind, limit, macs_again):
    peak, macs = find_cost([])
    found, found_macs = find_cost({kind: ['*']})
    assert found < limit * peak
    # the last conv of a stretch is not run again: nothing needs its result
    limits = (macs, 1.35 * macs) if macs_again else (macs - 1, macs)
    assert limits[0] < found_macs <= limits[1]


class Odd(nn.Module):
    """Takes and returns more than a tensor, and is called twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.LeakyReLU(0.3, inplace=True)
        )
        self.second = spectral_norm(nn.Conv2d(4, 4, 3, padding=1))
        self.drop = nn.Dropout(0.5)

    def forward(self, images, options=None):
        x = self.drop(self.first(images[0] + images[1]))
        x = self.second(x).mul_(options['scale'])
        return dict(out=[x, options])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.odd, self.after = Odd(), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        scale = self.after.weight.sum()
        once = self.odd((x, x), options=dict(scale=scale))['out'][0]
        twice = self.odd((x, 2 * x), options=dict(scale=2))['out'][0]
        return self.after(once).relu_() + twice


def run_net(recompute, num_iters=2):
    torch.manual_seed(0)
    net = Net()
    recompute_modules(net, recompute)
    with MacCounter() as counter:
        for _ in range(num_iters):
            torch.manual_seed(1)
            net(torch.rand(2, 3, 8, 8)).square().sum().backward()
    return net, counter.total


@pytest.mark.parametrize('names', [['odd'], ['odd.first'], ['odd.*', 'odd']])
@pytest.mark.parametrize('kind', KINDS)
def test_odd_modules(names, kind):
    """Spectral norms, dropout, in-place ops, nested inputs, two calls."""
    expected, macs = run_net([])
    found, macs_again = run_net({kind: names})
    assert_equal(gradients(found), gradients(expected))
    assert_equal(found.state_dict(), expected.state_dict())
    if kind == 'cheap':
        assert macs_again == macs


def test_a_product_changed_behind_the_module_is_computed():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            h = self.conv(x)
            return h, h.exp()

    def run_two(recompute):
        torch.manual_seed(0)
        net = nn.Sequential(Two())
        recompute_modules(net, recompute)
        h, other = net(torch.rand(2, 3, 4, 4))
        with torch.no_grad():
            h.zero_()
        other.square().sum().backward()
        return gradients(net)

    assert_equal(run_two(dict(cheap=['0'])), run_two([]))


class Loss(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def loss(self, x, labels):
        x = nn.functional.interpolate(self.conv(x), scale_factor=4)
        if isinstance(labels, SimpleNamespace):
            labels = vars(labels).pop('map')
        return dict(loss=nn.functional.cross_entropy(x, labels))


@pytest.mark.parametrize('kind', KINDS)
def test_a_method(kind):
    model = nn.ModuleDict(dict(head=Loss()))
    images, labels = torch.rand(2, 3, 4, 4), torch.zeros(2, 16, 16).long()

    def run(labels):
        model.zero_grad()
        loss = model['head'].loss(images, labels=labels)['loss']
        loss.backward()
        return {'loss': loss, **gradients(model)}

    expected = run(labels)
    recompute_modules(model, {kind: ['head.loss']})
    assert_equal(run(labels), expected)
    with pytest.raises(
        SetupError,
        match=r"twice.*'head.loss', whose second run raised KeyError: 'map'",
    ):
        run(SimpleNamespace(map=labels))


def test_a_copy_computes_by_its_own_weights():
    net, _ = run_net(dict(full=['odd']))
    other = copy.deepcopy(net)
    forward, copied = find_recomputed(net)[0], find_recomputed(other)[0]
    assert copied.module is other.odd is not forward.module
    for parameter in other.parameters():
        parameter.grad = None
    other(torch.rand(2, 3, 8, 8)).sum().backward()
    assert all(p.grad is not None for p in other.parameters())


def test_evaluation_runs_once():
    model = build_model(CASE)
    recompute_modules(model, ['backbone.layer*'])
    model.eval()
    with torch.no_grad():
        model(torch.rand(1, 3, 64, 64))
    assert not any(forward.has_run for forward in find_recomputed(model))


def test_supervise_locally_takes_names_of_the_backbone():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    supervise_locally(
        net, [dict(boundary='1', decoder={})], recompute=['0', '2']
    )
    assert [f.name for f in find_recomputed(net)] == ['0', '2']


def test_named_twice_it_is_of_the_last_kind():
    model = build_model(CASE)
    recompute_modules(model, ['neck'])
    recompute_modules(model, dict(cheap=['neck']))
    (forward,) = find_recomputed(model)
    assert forward.is_cheap


@pytest.mark.parametrize(
    ('name', 'recompute', 'error', 'match'),
    [
        (
            'swin',
            ['backbone.stages.0.block.1'],
            ValueError,
            r"'backbone.stages.0.block.1'. Closest: 'backbone.stages.0.bloc",
        ),
        ('swin', ['x'], ValueError, r"'x'. Closest: .*'backbone', 'neck'"),
        ('swin', ['neck.*'], ValueError, r"'neck.\*'. Closest: 'neck'"),
        (
            'swin',
            ['backbone.stages'],
            ValueError,
            r"a ModuleList, whose parts are. Name those: 'backbone.stages.0'",
        ),
        (
            'resnet_v1d_with_cp',
            ['backbone.layer2'],
            ValueError,
            r"'backbone.layer2' with with_cp=True in 'backbone.layer2.0'",
        ),
        (
            'resnet_v1d_with_cp',
            ['backbone.layer2.0.conv1'],
            ValueError,
            r"'backbone.layer2.0.conv1' with with_cp=True in 'backbone.layer2",
        ),
        (
            'toy',
            'neck',
            TypeError,
            "under 'full', 'cheap', 'early', 'by_image', but got 'neck'",
        ),
        ('toy', dict(often=['neck']), TypeError, "'often': .*Write e.g."),
        ('toy', dict(full=[3]), TypeError, r'\[3\]'),
    ],
)
def test_bad_names(name, recompute, error, match):
    with pytest.raises(error, match=rf'`recompute` should.*{match}'):
        recompute_modules(build_model(CASES[name]), recompute)


def test_what_the_host_does_not_checkpoint_may_be_named():
    model = build_model(CASES['resnet_v1d_with_cp'])
    recompute_modules(model, ['backbone.stem', 'neck'])


def test_a_module_that_changes_its_input():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True))
    recompute_modules(net, ['1'])
    with pytest.raises(SetupError, match=r"but got '1', which changes it in"):
        net(torch.rand(2, 3, 8, 8))
