"""Tokens, learning rates by layer and soft labels of transformers."""

import numpy as np
import pytest
import torch
from asserts import train_step, wrap
from cases import CASES, build_model, make_batch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from localsup_mm import LocalOptimWrapper
from localsup_mm.supervision import LocalModule
from localsup_mm.tracing import Boundary

TOKENS = Boundary('layers.2', channels=8, stride=16, num_extra_tokens=1)
HEAD = dict(type='mmpretrain.VisionTransformerClsHead', num_classes=3)
AUX_NETS = 'backbone.local_supervision.'


def labels(*classes):
    return [DataSample().set_gt_label(c) for c in classes]


@pytest.mark.parametrize('class_token', [False, True])
def test_a_head_reads_the_class_token_or_the_image(class_token):
    pool = dict(type='mmpretrain.GlobalAveragePooling')
    module = LocalModule(
        TOKENS,
        aux_neck=None if class_token else pool,
        aux_head=HEAD,
        class_token=class_token,
    )
    assert module.aux_head.layers.head.in_features == 8
    feats = torch.rand(2, 5, 8, requires_grad=True)
    inputs = torch.rand(2, 3, 32, 32)
    module.loss(feats, inputs, labels(0, 1))['loss_task'].backward()
    learns = feats.grad.abs().sum((0, 2)) > 0
    assert learns.tolist() == [class_token] + [not class_token] * 4


@pytest.mark.parametrize('extra', [0, None])
def test_no_class_token(extra):
    boundary = Boundary('stages.1', 8, 16, num_extra_tokens=extra)
    match = r"`class_token` should be False.*'stages.1', but got True.*Leave"
    with pytest.raises(ValueError, match=match):
        LocalModule(boundary, aux_head=HEAD, class_token=True)


def test_class_token_is_no_feature_map():
    match = r'`class_token` should be False with a `pyramid`.*got True'
    with pytest.raises(ValueError, match=match):
        LocalModule(TOKENS, aux_head=HEAD, class_token=True, pyramid=True)


@pytest.mark.parametrize('name', ['deit_features', 'swin_features'])
def test_what_enters_is_held_until_it_is_rebuilt(name):
    """At boundary k the step holds the features of boundary k - 1 alone."""
    held = []

    class Watched(LocalOptimWrapper):
        def local_backward(self, *args, **kwargs):
            step = model.backbone.local_supervision.step
            held.append(sorted(step.feats))
            return super().local_backward(*args, **kwargs)

    model = build_model(CASES[name])
    train_step(model, wrap(model, Watched))
    number = len(CASES[name].boundaries)
    assert held == [[], *([k] for k in range(number - 1))]


def test_what_enters_costs_no_memory():
    """It is the storage that the next local module saves for its backward."""
    model = build_model(CASES['deit_features'])
    seen = {}
    for k, module in enumerate(model.backbone.local_supervision.local_modules):
        if module.source is None:
            continue
        loss = module.decoder.loss

        def check(feats, inputs, samples, source, k=k, loss=loss):
            seen[k] = source
            return loss(feats, inputs, samples, source)

        module.decoder.loss = check
    entered = {}
    for k, layer in enumerate(model.backbone.layers):
        layer.register_forward_pre_hook(
            lambda m, args, k=k: entered.update({k: args[0]})
        )
    train_step(model, wrap(model))
    assert sorted(seen) == [1, 2]
    for k, source in seen.items():
        # the cuts are behind layers 0, 1 and 2
        assert (
            source.untyped_storage().data_ptr()
            == entered[k].untyped_storage().data_ptr()
        )
        assert not source.requires_grad


VIT = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=16, num_layers=4, num_heads=2, feedforward_channels=32
    ),
    img_size=64,
)
PARTS = dict(
    decoder=dict(type='FeatureDecoder', channels=(8, 6), target_stride=4),
    aux_head=dict(
        HEAD,
        loss=dict(
            type='mmpretrain.LabelSmoothLoss',
            label_smooth_val=0.1,
            mode='original',
        ),
    ),
    class_token=True,
)


def make_classifier(backbone=VIT, is_local=True, parts=PARTS, **kwargs):
    if is_local:
        names = ['layers.0', 'layers.2']
        backbone = dict(
            type='LocalBackbone',
            backbone=backbone,
            local_modules=[dict(boundary=name, **parts) for name in names],
        )
    return MODELS.build(
        dict(
            type='mmpretrain.ImageClassifier',
            backbone=backbone,
            head=dict(PARTS['aux_head'], in_channels=16),
            data_preprocessor=dict(
                type='mmpretrain.ClsDataPreprocessor',
                num_classes=3,
                mean=[127.5] * 3,
                std=[64.0] * 3,
            ),
            **kwargs,
        )
    )


def learning_rates(model, scope, constructor, **paramwise_cfg):
    with DefaultScope.overwrite_default_scope(scope):
        wrapper = build_optim_wrapper(
            model,
            dict(
                type='LocalOptimWrapper',
                optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.05),
                constructor=constructor,
                paramwise_cfg=paramwise_cfg,
            ),
        )
    names = {p: name for name, p in model.named_parameters()}
    return {
        names[p]: group['lr']
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }


def assert_rates(local, plain):
    """The backbone has its own; aux nets have that of the network's head."""
    aux_nets = {n: lr for n, lr in local.items() if n.startswith(AUX_NETS)}
    assert aux_nets
    assert {n: local[n] for n in local.keys() - aux_nets.keys()} == plain
    assert min(plain.values()) < 1.0
    assert set(aux_nets.values()) == {1.0}


@pytest.mark.parametrize(
    'backbone',
    [
        VIT,
        dict(
            type='mmpretrain.SwinTransformer',
            arch=dict(
                embed_dims=16, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]
            ),
            img_size=64,
        ),
    ],
    ids=['vit', 'swin'],
)
def test_learning_rates_by_layer_of_mmpretrain(backbone):
    if 'Swin' in backbone['type']:
        pooled = dict(
            decoder=PARTS['decoder'],
            aux_neck=dict(type='ConvPool', num_convs=0),
            aux_head=dict(type='mmpretrain.LinearClsHead', num_classes=3),
        )
        local = dict(
            type='LocalBackbone',
            backbone=backbone,
            local_modules=[
                dict(boundary=name, **pooled)
                for name in ('stages.0.blocks.1', 'stages.2.blocks.1')
            ],
        )
        models = (
            make_classifier(local, False),
            make_classifier(backbone, False),
        )
    else:
        models = make_classifier(), make_classifier(is_local=False)
    assert_rates(
        *(
            learning_rates(
                model,
                'mmpretrain',
                'LearningRateDecayOptimWrapperConstructor',
                layer_decay_rate=0.5,
            )
            for model in models
        )
    )


@pytest.mark.parametrize(
    ('constructor', 'rule'),
    [
        (
            'LearningRateDecayOptimizerConstructor',
            dict(decay_type='layer_wise', decay_rate=0.5),
        ),
        ('LayerDecayOptimizerConstructor', dict(layer_decay_rate=0.5)),
    ],
)
def test_learning_rates_by_layer_of_mmseg(constructor, rule):
    beit = dict(
        type='mmseg.BEiT',
        img_size=(64, 64),
        embed_dims=16,
        num_layers=4,
        num_heads=2,
        out_indices=(3,),
        init_values=0.1,
    )
    parts = dict(
        PARTS, class_token=False, aux_neck=dict(type='ConvPool', num_convs=0)
    )
    local = dict(
        type='LocalBackbone',
        backbone=beit,
        local_modules=[
            dict(boundary=name, **parts) for name in ('layers.0', 'layers.2')
        ],
    )

    def make(backbone):
        return MODELS.build(
            dict(
                type='mmseg.EncoderDecoder',
                backbone=backbone,
                decode_head=dict(
                    type='mmseg.FCNHead',
                    in_channels=16,
                    channels=8,
                    num_convs=1,
                    num_classes=3,
                ),
            )
        )

    assert_rates(
        *(
            learning_rates(
                make(backbone),
                'mmseg',
                constructor,
                num_layers=4,
                **rule,
            )
            for backbone in (local, beit)
        )
    )


@pytest.mark.parametrize('kind', ['Mixup', 'CutMix'])
def test_local_heads_get_the_mixed_labels(kind, monkeypatch):
    model = make_classifier(
        train_cfg=dict(augments=dict(type=f'mmpretrain.{kind}', alpha=1.0))
    )
    torch.manual_seed(4)
    np.random.seed(4)
    found = []
    supervision = model.backbone.local_supervision
    heads = [m.aux_head for m in supervision.local_modules]
    for head in (*heads, model.head):
        loss = head.loss_module.forward
        monkeypatch.setattr(
            head.loss_module,
            'forward',
            lambda score, label, *args, loss=loss, **kwargs: (
                found.append(label) or loss(score, label, *args, **kwargs)
            ),
        )
    inputs = [*make_batch()[0]] * 3
    samples = labels(0, 1, 2, 0, 1, 2)
    model.train_step(dict(inputs=inputs, data_samples=samples), wrap(model))
    assert len(found) == 3
    for label in found:
        assert label.shape == (6, 3)
        assert torch.equal(label, found[-1])
    # of two images each
    assert ((found[0] > 0) & (found[0] < 1)).any()
