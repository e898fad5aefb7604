"""Losses of heads: their gradients at once, their logits image by image."""

import copy

import pytest
import torch
from asserts import assert_close, assert_equal, gradients, wrap
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.structures import SegDataSample
from torch import nn

from localsup_mm import (
    LocalAmpOptimWrapper,
    LocalOptimWrapper,
    SetupError,
    recompute_modules,
)
from localsup_mm.metering import LiveBytes, MacCounter
from localsup_mm.recomputation import can_recompute, find_recomputed

EARLY = dict(early=['head.loss'])
BY_IMAGE = dict(by_image=['head.loss_by_feat'])
CE = dict(type='CrossEntropyLoss')


def make_model(**kwargs):
    torch.manual_seed(0)
    head = FCNHead(
        in_channels=8,
        channels=8,
        num_convs=1,
        concat_input=False,
        num_classes=7,
        in_index=0,
        norm_cfg=dict(type='BN'),
        **kwargs,
    )
    return nn.ModuleDict(dict(head=head))


def make_labels(num_ignored, size):
    labels = torch.randint(0, 7, (3, 1, size, size))
    for i, label in enumerate(labels):
        # each image ignores another number of pixels
        label[:, : i * num_ignored] = 255
    return [
        SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels
    ]


def run(recompute, is_mixed=False, num_ignored=3, size=33, **kwargs):
    model = make_model(**kwargs)
    recompute_modules(model, recompute)
    torch.manual_seed(1)
    x = torch.rand(3, 8, 9, 9, requires_grad=True)
    labels = make_labels(num_ignored, size)
    with (
        LiveBytes(model) as live,
        MacCounter() as counter,
    ):
        with torch.autocast('cpu', torch.bfloat16, enabled=is_mixed):
            losses = model['head'].loss((x,), labels, None)
        sum(v for k, v in losses.items() if 'loss' in k).backward()
    found = {
        **losses,
        **model.state_dict(),
        **{f'd {name}': g for name, g in gradients(model).items()},
        'dx': x.grad,
        'drawn next': torch.rand(3),
    }
    return found, live.peak, counter.total


@pytest.mark.parametrize(
    'recompute', [EARLY, BY_IMAGE, {**EARLY, **BY_IMAGE}], ids=str
)
@pytest.mark.parametrize('is_mixed', [False, True])
@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        dict(loss_decode=dict(CE, avg_non_ignore=True)),
        # the host counts weights of labels that are ignored as of a class
        dict(
            loss_decode=dict(CE, class_weight=[1.0, 2, 3, 4, 5, 6, 7]),
            num_ignored=0,
        ),
        dict(sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=10)),
        dict(loss_decode=dict(CE, use_sigmoid=True)),
    ],
    ids=str,
)
def test_losses_and_gradients_are_those_without(recompute, is_mixed, kwargs):
    found, _, _ = run(recompute, is_mixed, **kwargs)
    expected, _, _ = run([], is_mixed, **kwargs)
    assert_equal(found, expected)


def test_a_loss_of_whole_images_beside_it():
    """Two losses add to the same gradients in another order."""
    losses = [
        dict(CE, loss_name='loss_ce'),
        dict(type='DiceLoss', loss_name='loss_dice'),
    ]
    found, _, _ = run(BY_IMAGE, loss_decode=losses)
    expected, _, _ = run([], loss_decode=losses)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-8)


def test_memory_and_compute():
    _, peak, macs = run([], size=257)
    _, early, early_macs = run(EARLY, size=257)
    _, by_image, macs_again = run(BY_IMAGE, size=257)
    assert by_image < 0.6 * peak
    assert early < 1.01 * peak  # nothing runs behind this head
    assert early_macs == macs_again == macs


class TwoHeads(nn.Module):
    """Two heads on the same features, as a segmentor has."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, padding=1)
        self.head, self.aux = Head(), Head()

    def train_step(self, x, wrapper):
        with wrapper.optim_context(self):
            h = self.body(x).relu()
            first, second = self.head.loss(h), self.aux.loss(h)
            loss = first['loss'] + first['loss_2']
            loss = loss + second['loss'] + second['loss_2']
        wrapper.update_params(loss)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 64, 1)
        self.unused = nn.Parameter(torch.zeros(1))
        self.other = [nn.Parameter(torch.ones(1))]

    def forward(self, h):
        return self.conv(h)

    def loss(self, h):
        x = self.conv(h).exp().sin()
        return dict(
            loss=x.mean(), loss_2=x.square().mean(), note=x.detach().mean()
        )

    def features(self, h):
        x = self.conv(h)
        return x, x.mean()

    def borrowed(self, h):
        return (self.conv(h) * self.other[0]).mean()


def train(recompute, cls, num_iters=3, **kwargs):
    torch.manual_seed(0)
    net = TwoHeads()
    recompute_modules(net, recompute)
    wrapper = wrap(net, cls, **kwargs)
    for _ in range(num_iters):
        with LiveBytes(net, wrapper.optimizer) as live:
            net.train_step(torch.rand(2, 3, 16, 16), wrapper)
    return net, live.peak


class PlainWrapper(LocalOptimWrapper):
    """Trains a model without local modules, which are none of this."""

    def prepare_once(self, model):
        pass


class PlainAmpWrapper(LocalAmpOptimWrapper):
    def prepare_once(self, model):
        pass


HEADS = dict(early=['head.loss', 'aux.loss'])


@pytest.mark.parametrize(
    ('cls', 'kwargs'),
    [
        (PlainWrapper, {}),
        (PlainWrapper, dict(accumulative_counts=2)),
        (PlainWrapper, dict(clip_grad=dict(max_norm=0.1))),
        (PlainAmpWrapper, {}),
    ],
)
def test_early_gradients_with_any_wrapper(cls, kwargs):
    found, peak = train(HEADS, cls, **kwargs)
    expected, peak_without = train([], cls, **kwargs)
    assert_equal(found.state_dict(), expected.state_dict())
    assert peak < 0.8 * peak_without


@pytest.mark.parametrize('scale', [2.0**15, 2.0**12])
def test_early_gradients_are_scaled_before_float16_rounds(scale):
    kwargs = dict(dtype='float16', loss_scale=scale)
    found, _ = train(HEADS, PlainAmpWrapper, **kwargs)
    expected, _ = train([], PlainAmpWrapper, **kwargs)
    found_scales = {m.scale.item() for m in find_recomputed(found)}
    assert found_scales == {scale}
    if scale == 2.0**15:  # what the first iteration takes
        assert_equal(found.state_dict(), expected.state_dict())
    else:
        assert_close(found.state_dict(), expected.state_dict(), 1e-3, 1e-5)


def test_a_copy_learns_by_its_own_weights():
    net, _ = train(HEADS, PlainWrapper, 1)
    other = copy.deepcopy(net)
    losses = other.head.loss(torch.rand(2, 8, 4, 4))
    (losses['loss'] + losses['loss_2']).backward()
    assert other.head.conv.weight.grad is not None
    assert net.head.conv.weight.grad is None


@pytest.mark.parametrize('kind', ['early', 'by_image'])
def test_each_method_is_found_and_replaced_once(kind):
    net = TwoHeads()
    loss = net.head.loss
    for _ in range(2):
        recompute_modules(net, {kind: ['head.loss']})
    (method,) = find_recomputed(net)
    assert (method.name, method.has_run) == ('head.loss', False)
    assert method.__wrapped__ == loss
    net.head.loss(torch.rand(2, 8, 4, 4))
    assert method.has_run
    assert not can_recompute(net, 'head')
    assert can_recompute(net, 'aux')


def test_evaluation_is_the_method_itself():
    net = TwoHeads()
    recompute_modules(net, dict(early=['head.loss'], by_image=['aux.loss']))
    with torch.no_grad():
        assert not net.head.loss(torch.rand(2, 8, 4, 4))['loss'].requires_grad
        net.aux.loss(torch.rand(2, 8, 4, 4))
    assert not any(method.has_run for method in find_recomputed(net))


@pytest.mark.parametrize(
    ('name', 'run', 'match'),
    [
        (
            'head',
            lambda net, h: net.head(h),
            "'head', which returns none",
        ),
        (
            'head.features',
            lambda net, h: sum(map(torch.sum, net.head.features(h))),
            r"'head.features', where a result of shape \(2, 64, 4, 4\) has a ",
        ),
        (
            'head.loss',
            lambda net, h: net.head.loss(h)['loss'],
            r"'head.loss', where a result of shape \(\) has no gradient",
        ),
        (
            'head.loss',
            lambda net, h: sum(
                weight * value
                for weight, value in zip((1, 2), net.head.loss(h).values())
            ),
            r"'head.loss' with \[1.0, 2.0\]",
        ),
        (
            'head.borrowed',
            lambda net, h: net.head.borrowed(h),
            r"'head.borrowed', which reaches another tensor of shape \(1,\)",
        ),
    ],
)
def test_what_cannot_be_early(name, run, match):
    net = TwoHeads()
    recompute_modules(net, dict(early=[name]))
    with pytest.raises(SetupError, match=match):
        run(net, torch.rand(2, 8, 4, 4)).backward()


class OpOfAnotherKind(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


class OddHead(Head):
    def loss(self, h):
        x = nn.functional.interpolate(self.conv(h), scale_factor=2)
        return OpOfAnotherKind.apply(x).square().mean() + x[:, :2].mean()


def test_by_image_an_op_that_is_no_function_of_torch():
    net = nn.ModuleDict(dict(head=OddHead()))
    h = torch.rand(2, 8, 4, 4)
    found = []
    for recompute in ([], dict(by_image=['head.loss'])):
        recompute_modules(net, recompute)
        net.zero_grad()
        net['head'].loss(h).backward()
        found.append(gradients(net))
    assert_equal(*found)


def test_enlarged_logits_are_not_there():
    class Blind(Head):
        def loss(self, h):
            x = nn.functional.interpolate(self.conv(h), scale_factor=2)
            with torch._C.DisableTorchFunctionSubclass():
                return x.mean()

    net = nn.ModuleDict(dict(head=Blind()))
    recompute_modules(net, dict(by_image=['head.loss']))
    with pytest.raises(SetupError, match=r'an op of another kind'):
        net['head'].loss(torch.rand(2, 8, 4, 4))
