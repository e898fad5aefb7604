"""Local losses through accumulation, clipping, AMP and bad luck."""

import math

import pytest
import torch
from asserts import (
    NoStep,
    assert_close,
    assert_equal,
    gradients,
    oracle_gradients,
    train_step,
    wrap,
)
from cases import CASES, build_model, make_batch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper

from localsup_mm import LocalAmpOptimWrapper, LocalOptimWrapper

CASE = CASES['resnet_v1c_dilated']


def test_accumulation_counts_an_iteration_once():
    model = build_model(CASE)
    expected = oracle_gradients(model)
    wrapper = LocalOptimWrapper(optimizer=NoStep(model), accumulative_counts=2)
    train_step(model, wrapper)
    assert wrapper.inner_count == 1
    assert not wrapper.should_update()
    train_step(model, wrapper)
    assert wrapper.should_update()
    assert_close(gradients(model), expected)


def test_clipping_is_over_all_local_modules():
    model = build_model(CASE)
    expected = oracle_gradients(model)
    norm = math.sqrt(sum(g.square().sum().item() for g in expected.values()))
    wrapper = LocalOptimWrapper(
        optimizer=NoStep(model), clip_grad=dict(max_norm=norm / 2)
    )
    train_step(model, wrapper)
    logged = MessageHub.get_current_instance().get_scalar('train/grad_norm')
    assert math.isclose(logged.current(), norm, rel_tol=1e-4)
    assert_close(gradients(model), {n: g / 2 for n, g in expected.items()})


@pytest.mark.parametrize('name', ['resnet_v1c_dilated', 'resnet_v1d_with_cp'])
def test_bfloat16_on_a_cpu(name):
    model = build_model(CASES[name])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        expected = oracle_gradients(model)
    wrapper = LocalAmpOptimWrapper(optimizer=NoStep(model))
    train_step(model, wrapper)
    found = gradients(model)
    assert found.keys() == expected.keys()
    for key, grad in expected.items():
        # bfloat16 has 8 bits: sums in another order differ by some percent
        error = (found[key] - grad).norm() / (grad.norm() + 1e-3)
        assert error < 0.1, f'{key}: {error}'


def test_compiled_ops_in_bfloat16():
    backbone = dict(
        type='mmdet.ResNet',
        depth=50,
        stem_channels=8,
        base_channels=8,
        dcn=dict(type='DCNv2', deform_groups=1, fallback_on_stride=False),
        stage_with_dcn=(False, True, True, True),
    )
    model = build_model(
        CASES['resnet_v1c_dilated']._replace(backbone=backbone)
    )
    train_step(model, LocalAmpOptimWrapper(optimizer=NoStep(model)))
    found = gradients(model)
    assert found['backbone.layer2.1.conv2.weight'].abs().sum() > 0
    assert found['backbone.layer4.1.conv2.conv_offset.weight'].isfinite().all()


def test_float64_is_refused_on_a_cpu():
    model = build_model(CASE)
    with pytest.raises(ValueError, match="'float64'"):
        wrap(model, LocalAmpOptimWrapper, dtype='float64')


def test_amp_state_survives_a_checkpoint():
    model = build_model(CASE)
    wrapper = wrap(model, LocalAmpOptimWrapper)
    train_step(model, wrapper)
    wrap(model, LocalAmpOptimWrapper).load_state_dict(wrapper.state_dict())


def test_local_losses_are_in_the_log():
    model = build_model(CASE)
    log_vars = train_step(model, wrap(model))
    assert set(log_vars) == {'loss', 'loss_ce'}
    hub = MessageHub.get_current_instance()
    parts = [
        hub.get_scalar(f'train/local_1.{key}').current()
        for key in ('loss_recon', 'loss_ce', 'loss')
    ]
    assert math.isclose(parts[0] + parts[1], parts[2], rel_tol=1e-5)
    assert 0 <= hub.get_scalar('train/local_1.accuracy').current() <= 1


def test_nan_names_the_module_and_changes_nothing():
    model = build_model(CASE)
    wrapper = wrap(model)
    train_step(model, wrapper)
    head = model.backbone.local_supervision.local_modules[1].aux_head
    with torch.no_grad():
        head.fc.bias[0] = math.nan
    before = {n: p.clone() for n, p in model.named_parameters()}
    with pytest.raises(
        FloatingPointError, match=r'`loss_ce` of local_1.*but got nan'
    ):
        train_step(model, wrapper)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            parameter, before[name], rtol=0, atol=0, equal_nan=True
        )


def test_unguarded_checkpointing_is_found(turn_on_activation_checkpointing):
    """mmengine's activation_checkpointing gives no gradients to a module
    that is fed a detached tensor."""
    model = build_model(CASE)
    turn_on_activation_checkpointing(model, ['backbone.layer2'])
    with pytest.raises(
        RuntimeError, match=r"local_1.*'backbone\.layer2.*with_cp"
    ):
        train_step(model, wrap(model))


def test_checkpointing_around_a_boundary_is_found(
    turn_on_activation_checkpointing,
):
    """Its hook runs in the backward only, where no local loss is due."""
    model = build_model(CASE._replace(boundaries=('layer2.0',)))
    turn_on_activation_checkpointing(model, ['backbone.layer2'])
    with pytest.raises(RuntimeError, match=r"none at \['layer2.0'.*with_cp"):
        train_step(model, wrap(model))


def test_model_without_local_backbone():
    model = build_model(CASE, is_local=False)
    with pytest.raises(ValueError, match='ToyModel without one'):
        train_step(model, wrap(model))


def test_plain_wrapper():
    model = build_model(CASE)
    with pytest.raises(RuntimeError, match='LocalOptimWrapper'):
        train_step(model, wrap(model, OptimWrapper))


def test_frozen_aux_net_stays():
    model = build_model(CASE)
    decoder = model.backbone.local_supervision.local_modules[0].decoder
    decoder.requires_grad_(False)
    before = decoder.last.weight.clone()
    train_step(model, wrap(model))
    assert decoder.last.weight.equal(before)


def test_no_grad_forward_needs_no_step():
    model = build_model(CASE)
    inputs, labels = make_batch()
    with torch.no_grad():
        model(inputs, labels, mode='loss')


def test_backbone_in_eval_mode_is_the_host():
    """As a host may freeze it: no local loss, gradients as without us."""
    local, plain = build_model(CASE), build_model(CASE, is_local=False)
    for model, cls in ((local, LocalOptimWrapper), (plain, OptimWrapper)):
        model.backbone.eval()
        train_step(model, cls(optimizer=NoStep(model)))
    assert_close(gradients(local), gradients(plain), rtol=0, atol=0)


@pytest.mark.parametrize('counts', [1, 2])
def test_a_step_with_nan_is_skipped(counts):
    """Statistics of norms are as before, too; then training goes on."""
    model = build_model(CASE)
    wrapper = LocalOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=1e-4),
        accumulative_counts=counts,
        skip_nonfinite=True,
    )
    for _ in range(counts):
        train_step(model, wrapper)
    bias = model.backbone.local_supervision.local_modules[1].aux_head.fc.bias
    healthy = bias.data.clone()
    before = {n: v.clone() for n, v in model.state_dict().items()}
    bias.data[0] = math.nan
    train_step(model, wrapper)
    bias.data.copy_(healthy)
    for _ in range(1, counts):  # gradients of which are lost, too
        train_step(model, wrapper)
    assert_equal(model.state_dict(), before)
    for _ in range(counts):
        train_step(model, wrapper)
    after = model.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(after[n], before[n]) for n in after)


def test_a_skipped_step_does_not_go_with_a_step_of_each_module():
    with pytest.raises(ValueError, match=r'`skip_nonfinite`.*but got True'):
        wrap(build_model(CASE), skip_nonfinite=True, step_each_module=True)


def test_an_overflow_in_one_local_module_skips_one_step():
    """float16 on a CPU: the scale is halved once, whatever K is."""
    model = build_model(CASES['toy'])
    scale = dict(init_scale=1.0, growth_interval=1000)
    wrapper = LocalAmpOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=1e-6),
        dtype='float16',
        loss_scale=scale,
    )
    train_step(model, wrapper)
    assert wrapper.loss_scaler.get_scale() == 1
    module = model.backbone.local_supervision.local_modules[1]
    handle = next(module.parameters()).register_hook(lambda g: g * math.inf)
    before = {n: v.clone() for n, v in model.named_parameters()}
    train_step(model, wrapper)
    assert wrapper.loss_scaler.get_scale() == 0.5
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    handle.remove()
    train_step(model, wrapper)
    assert wrapper.loss_scaler.get_scale() == 0.5
    assert any(
        not torch.equal(p, before[n]) for n, p in model.named_parameters()
    )
