"""mmengine's ``efficient_conv_bn_eval`` with local modules."""

import pytest
import torch
from asserts import NoStep, assert_close, gradients, train_step
from cases import CASES, build_model, make_batch
from mmengine.model.efficient_conv_bn_eval import (
    turn_on_efficient_conv_bn_eval,
)

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import prepare_model


def learn(model):
    train_step(model, LocalOptimWrapper(optimizer=NoStep(model)))
    return gradients(model)


@pytest.mark.parametrize(
    'name',
    ['resnet_mmdet_frozen', 'resnet_cifar', 'resnext', 'resnet_v1c_dilated'],
)
def test_gradients_are_the_same(name):
    """The norms of the first one are in evaluation mode, so they are fused."""
    case = CASES[name]
    model, fused = build_model(case), build_model(case)
    turn_on_efficient_conv_bn_eval(fused, ['backbone'])
    assert_close(learn(fused), learn(model), atol=1e-4)


def test_convs_are_still_fused():
    case = CASES['resnet_mmdet_frozen']
    model, fused = build_model(case).eval(), build_model(case).eval()
    turn_on_efficient_conv_bn_eval(fused, ['backbone'])
    prepare_model(fused)
    calls = []
    for net in (model, fused):
        for module in net.backbone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_hook(lambda m, *_: calls.append(m))
    with torch.no_grad():
        expected = model(*make_batch(model), mode='tensor')
        assert calls
        calls.clear()
        found = fused(*make_batch(model), mode='tensor')
    assert not calls
    for a, b in zip(found, expected):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
