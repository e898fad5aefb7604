"""Models with a second backbone: teachers, momentum encoders, twins."""

import copy

import numpy as np
import pytest
import torch
from asserts import NoStep, assert_equal, gradients, train_step, wrap
from cases import (
    CASES,
    FROZEN_RESNET,
    ToyModel,
    build_model,
    make_batch,
    make_instances,
)
from mmdet.models import MultiBranchDataPreprocessor, SemiBaseDetector
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import MODELS
from tiny_detector import read_narrow_model

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import prepare_model


class Frozen(torch.nn.Module):
    """A teacher that is frozen, in training mode and within the graph."""

    def __init__(self, backbone):
        super().__init__()
        self.module = copy.deepcopy(backbone).requires_grad_(False)

    def forward(self, inputs):
        return self.module(inputs)


class OnlyUnderNoGrad(torch.nn.Module):
    """A teacher that could learn, were there gradients."""

    def __init__(self, backbone):
        super().__init__()
        self.module = copy.deepcopy(backbone)

    @torch.no_grad()
    def forward(self, inputs):
        return self.module(inputs)


class Momentum(ExponentialMovingAverage):
    """As mmpretrain's momentum encoders are."""

    @torch.no_grad()
    def forward(self, inputs):
        return super().forward(inputs)


class WithTeacher(ToyModel):
    """A network with a copy of its backbone, which runs first."""

    def add_teacher(self, kind):
        self.teacher = kind(self.backbone)
        return self

    def forward(self, inputs, data_samples=None, mode='tensor'):
        self.teacher(inputs)
        return super().forward(inputs, data_samples, mode)


@pytest.mark.parametrize('kind', [Frozen, Momentum, OnlyUnderNoGrad])
@pytest.mark.parametrize('name', ['toy', 'convnext'])
def test_teacher_changes_nothing(name, kind):
    alone, model = build_model(CASES[name]), build_model(CASES[name])
    model.__class__ = WithTeacher
    model.add_teacher(kind).train()
    for net in (alone, model):
        train_step(net, LocalOptimWrapper(optimizer=NoStep(net)))
    assert_equal(gradients(model), gradients(alone))


class Twins(ToyModel):
    """Two backbones that learn, the first of which runs twice."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        first = super().forward(inputs, data_samples, mode)
        again = super().forward(inputs, data_samples, mode)
        other = self.twin(inputs)[-1].mean()
        return dict(first, loss_again=again['loss_ce'], loss_other=other)


def test_twins_learn_each_by_its_own_losses():
    """A backbone that runs twice gets the gradients of both runs."""
    alone, model = build_model(CASES['toy']), build_model(CASES['toy'])
    model.__class__ = Twins
    model.twin = copy.deepcopy(model.backbone)
    for net in (alone, model):
        train_step(net, LocalOptimWrapper(optimizer=NoStep(net)))
    expected = {
        f'{part}.{name.removeprefix("backbone.")}': times * grad
        for name, grad in gradients(alone).items()
        if 'local_supervision' in name
        for part, times in (('backbone', 2), ('twin', 1))
    }
    found = gradients(model)
    assert_equal({name: found[name] for name in expected}, expected)
    logged = MessageHub.get_current_instance().log_scalars
    expected = logged['train/local_0.loss'].current()
    for name in ('backbone', 'twin'):
        assert logged[f'train/{name}.local_0.loss'].current() == expected


def make_semi_supervised():
    local_module = dict(
        decoder={},
        aux_head=dict(type='ClassMapHead', num_classes=3, channels=8),
    )
    backbone = dict(
        type='LocalBackbone',
        backbone=FROZEN_RESNET,
        local_modules=[dict(boundary='layer2.1', **local_module)],
    )
    detector = ConfigDict(
        read_narrow_model(
            'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py', FROZEN_RESNET
        ),
        backbone=backbone,
    )
    return SemiBaseDetector(
        detector,
        semi_train_cfg=ConfigDict(cls_pseudo_thr=0.0),
        semi_test_cfg=dict(predict_on='teacher'),
        data_preprocessor=dict(
            type='mmdet.MultiBranchDataPreprocessor',
            data_preprocessor=dict(
                type='mmdet.DetDataPreprocessor',
                mean=[1.0, 2.0, 3.0],
                std=[4.0, 5.0, 6.0],
            ),
        ),
    ).train()


def make_branches():
    """Two images of three branches, as the host's data sets give them."""
    branches = ('sup', 'unsup_teacher', 'unsup_student')
    samples = {name: make_instances(64, 64) for name in branches}
    for name, sample in samples.items():
        matrix = np.eye(3, dtype='f4')
        sample.set_metainfo(dict(branch=name, homography_matrix=matrix))
    return dict(
        inputs={name: [torch.rand(3, 64, 64) * 255] for name in branches},
        data_samples={name: [sample] for name, sample in samples.items()},
    )


def test_semi_supervised_detector():
    """Each run of the student learns from the labels of its own images."""
    model = make_semi_supervised()
    seen = []
    head = model.student.backbone.local_supervision.local_modules[0].aux_head
    loss = head.loss

    def spy(feats, data_samples):
        seen.append(
            (data_samples[0].branch, len(data_samples[0].gt_instances))
        )
        return loss(feats, data_samples)

    head.loss = spy
    model.train_step(make_branches(), wrap(model))
    assert [name for name, _ in seen] == ['sup', 'unsup_student']
    # two are labelled; what the teacher found is another number
    assert seen[0][1] == 2 != seen[1][1]
    assert not any(p.grad is not None for p in model.teacher.parameters())


def test_normalization_is_that_of_the_inner_preprocessor():
    model = make_semi_supervised()
    assert isinstance(model.data_preprocessor, MultiBranchDataPreprocessor)
    prepare_model(model)
    decoder = model.student.backbone.local_supervision.local_modules[0].decoder
    assert decoder.mean.flatten().tolist() == [1, 2, 3]
    assert decoder.std.flatten().tolist() == [4, 5, 6]


def test_momentum_encoder_of_mmpretrain():
    """MoCo: its key encoder is an average of backbone and neck."""
    model = MODELS.build(
        dict(
            type='mmpretrain.MoCo',
            queue_len=8,
            feat_dim=4,
            data_preprocessor=dict(
                type='mmpretrain.SelfSupDataPreprocessor',
                mean=[100.0] * 3,
                std=[50.0] * 3,
            ),
            backbone=dict(
                type='LocalBackbone',
                backbone=CASES['resnet_cifar'].backbone
                | dict(out_indices=(3,)),
                local_modules=[dict(boundary='layer2.0', decoder={})],
            ),
            neck=dict(
                type='mmpretrain.MoCoV2Neck',
                in_channels=64,
                hid_channels=8,
                out_channels=4,
            ),
            head=dict(
                type='mmpretrain.ContrastiveHead',
                loss=dict(type='mmpretrain.CrossEntropyLoss'),
            ),
        )
    ).train()
    images, _ = make_batch(size=32)
    views = [images, images.flip(3)]
    log = model.train_step(dict(inputs=views, data_samples=None), wrap(model))
    assert log['loss'].isfinite()
    logged = MessageHub.get_current_instance().log_scalars
    assert logged['train/local_0.loss_recon'].current() > 0
