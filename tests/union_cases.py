"""Trainings that several processes share, and one does with all images.

A :class:`Way` is how a small network is trained for three steps. Images are
divided among the processes, so that the mean of their losses is that of one
process that has them all.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from cases import ToyHead
from mmengine.model import BaseModel, ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.profiler import record_function

from localsup_mm import recompute_modules

NUM_IMAGES = 4
NUM_STEPS = 3
NORM = dict(type='GN', num_groups=2)  # no batch statistics
FEATURES = (
    'recompute',
    'context',
    'pyramid',
    'momentum',
    'unused',
    'unlabelled',
    'amp',
    'accumulate',
    'clip',
    'freeze',
    'step_each',
    'ema',
    'paramwise',
)
# those behind it are paired with three others each
NUM_PAIRED = 7
# each is an error of its own
EXCLUDED = [{'step_each', 'accumulate'}, {'step_each', 'clip'}]


def choose_ways() -> list[tuple[str, ...]]:
    """Each feature alone, and in pairs; the first ones with each other."""
    pairs = [
        (a, b)
        for i, a in enumerate(FEATURES)
        for j, b in enumerate(FEATURES)
        if i < j
        and (j < NUM_PAIRED or (i + j) % 4 == 0)
        and {a, b} not in EXCLUDED
    ]
    return [(), *((feature,) for feature in FEATURES), *pairs]


class LabelledOnly(ToyHead):
    """A branch of its own for images of class 2; those of -1 are ignored."""

    def __init__(self, in_channels: int, has_branch: bool) -> None:
        super().__init__(in_channels)
        self.branch = nn.Linear(in_channels, 1) if has_branch else None

    def loss(self, feats: tuple, data_samples: Tensor) -> dict:
        pooled = sum(f.flatten(2).mean(2) for f in feats)
        losses = dict(loss_ce=find_loss(self.fc(pooled), data_samples))
        chosen = data_samples == 2
        if self.branch is not None and chosen.any():
            term = self.branch(pooled[chosen]).square().sum()
            losses['loss_branch'] = term / len(chosen)
        return losses


def find_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(
        logits, labels, reduction='none', ignore_index=-1
    ).mean()


MODELS.register_module(module=LabelledOnly)


def block(in_channels: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 3, stride, 1), nn.GroupNorm(2, 6), nn.Tanh()
    )


@MODELS.register_module()
class FiveBlocks(nn.Sequential):
    """Blocks that no batch statistics connect."""

    def __init__(self) -> None:
        super().__init__(
            *(
                block(*args)
                for args in [(3, 2), (6, 1), (6, 2), (6, 1), (6, 1)]
            )
        )


class UnionModel(BaseModel):
    """A backbone, and a branch that only images of class 2 run through."""

    def __init__(self, backbone: dict, has_branch: bool) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        self.head = LabelledOnly(6, has_branch)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Optional[Tensor] = None,
        mode: str = 'tensor',
    ) -> dict:
        return self.head.loss((self.backbone(inputs),), data_samples)


class Trained(NamedTuple):
    """What a training ends with, by the names of parameters."""

    gradients: dict
    weights: dict
    average: dict


def make_model(way: Sequence[str]) -> nn.Module:
    parts: dict = dict(
        decoder=dict(
            type='ReconstructionDecoder',
            channels=(4,),
            norm_cfg=NORM,
            mean=[0.0] * 3,
            std=[255.0] * 3,
        ),
        aux_head=dict(type='LabelledOnly', has_branch='unused' in way),
    )
    if 'momentum' in way:
        parts['shared_neck'] = dict(type='MomentumBlock', momentum=0.5)
    local_modules = [dict(parts, boundary=str(i)) for i in (1, 3)]
    if 'pyramid' in way:
        neck = dict(type='mmdet.FPN', out_channels=6, num_outs=2)
        local_modules[1].update(aux_neck=neck, pyramid=True)
        local_modules[1].pop('shared_neck', None)  # of feature maps
    context = dict(mode='r1e', norm_cfg=NORM) if 'context' in way else None
    torch.manual_seed(0)
    model = UnionModel(
        dict(
            type='LocalBackbone',
            backbone=dict(type='FiveBlocks'),
            local_modules=local_modules,
            context_supply=context,
        ),
        has_branch='unused' in way,
    )
    model.init_weights()
    if 'freeze' in way:
        model.backbone[0].requires_grad_(False)
    if 'recompute' in way:
        recompute_modules(
            model,
            dict(full=['backbone.1', 'backbone.4'], cheap=['backbone.3']),
        )
    return model if 'amp' in way else model.double()


def make_batch(way: Sequence[str], step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    images = torch.rand(NUM_IMAGES, 3, 16, 16, generator=generator)
    labels = torch.tensor([0, 1, 1, 0])
    if 'unused' in way and step != 1:
        labels[0] = 2  # else no process uses the branch
    if 'unlabelled' in way:
        labels[NUM_IMAGES // 2 :] = -1
    return images if 'amp' in way else images.double(), labels


def train(
    way: Sequence[str],
    wrap: Callable[[nn.Module], nn.Module] = lambda model: model,
    rank: int = 0,
    number: int = 1,
) -> Trained:
    """Train with the images of one of several processes."""
    bare = make_model(way)
    average = (
        ExponentialMovingAverage(bare, momentum=0.5) if 'ema' in way else None
    )
    model = wrap(bare)
    counts = 2 if 'accumulate' in way else 1
    config = dict(
        type='LocalAmpOptimWrapper' if 'amp' in way else 'LocalOptimWrapper',
        optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01),
        accumulative_counts=counts,
        clip_grad=dict(max_norm=0.5) if 'clip' in way else None,
        step_each_module='step_each' in way,
    )
    if 'paramwise' in way:
        config['paramwise_cfg'] = dict(
            bias_decay_mult=0.0,
            custom_keys={'local_supervision': dict(lr_mult=0.5)},
        )
    wrapper = build_optim_wrapper(model, config)
    names = {p: name for name, p in bare.named_parameters()}
    gradients: dict = {}
    wrapper.optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: gradients.update(
            {
                names[p]: to_whole(p.grad)
                for group in optimizer.param_groups
                for p in group['params']
                if p.grad is not None
            }
        )
    )
    size = NUM_IMAGES // number
    part = slice(rank * size, (rank + 1) * size)
    for step in range(NUM_STEPS * counts):
        inputs, labels = make_batch(way, step)
        data = dict(inputs=inputs[part], data_samples=labels[part])
        model.train_step(data, wrapper)
        if average is not None and wrapper.should_update():
            average.update_parameters(bare)
    return Trained(
        gradients,
        {name: to_whole(value) for name, value in bare.state_dict().items()},
        {} if average is None else average.module.state_dict(),
    )


def record(name: str, first: nn.Module, last: nn.Module) -> None:
    """Let a profile show the forward pass of some modules under a name."""
    running = record_function(name)

    def enter(*args) -> None:
        running.__enter__()

    def leave(*args) -> None:
        running.__exit__(None, None, None)

    first.register_forward_pre_hook(enter, prepend=True)
    last.register_forward_hook(leave, prepend=True)


def to_whole(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    is_shard = hasattr(tensor, 'full_tensor')
    return tensor.full_tensor() if is_shard else tensor.clone()


def assert_same(found: Trained, expected: Trained, way: Sequence[str]) -> None:
    # sums in another order; bfloat16 has 8 bits, of which terms cancel some
    tolerance = 1e-1 if 'amp' in way else 1e-8
    for name, ours, theirs in zip(Trained._fields, found, expected):
        # a parameter that no process used has a gradient of zeros
        unused = ours.keys() - theirs.keys()
        assert not any(ours[key].any() for key in unused), (way, unused)
        for key, value in theirs.items():
            scale = value.abs().max().clamp(min=1e-3)
            error = (ours[key] - value).abs().max() / scale
            assert error <= tolerance, (way, name, key, error)
