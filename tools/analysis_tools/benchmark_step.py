"""Compare the time of a training step with a hand-written one.

The hand-written step is the same computation in the fewest words: a loop over
the blocks of the backbone with a backward and a detach at each boundary. Both
start from the same weights and get the same batch; that they leave the same
weights behind is checked first. Then they take turns, A B B A, in one process,
and so do the host's end-to-end step and the one with activation checkpoints
(``with_cp``), so that a busy machine slows all of them alike.

python tools/analysis_tools/benchmark_step.py --crop 64x128 --pairs 15
"""

import argparse
import copy
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Optional

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData
from mmseg.models.backbones import ResNetV1c
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import SGD

from localsup_mm import LocalOptimWrapper
from localsup_mm.engine import check_model

AUX_NETS = 'backbone.local_supervision.local_modules.'


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--config',
        default='configs/infopro/deeplabv3_r101_cityscapes.py',
        help='config with a locally supervised ResNetV1c of mmseg',
    )
    parser.add_argument('--crop', default='64x128', help='HxW, in pixels')
    parser.add_argument('--batch', type=int, default=2, help='images')
    parser.add_argument('--pairs', type=int, default=15, help='rounds')
    parser.add_argument('--threads', type=int, help='of torch')
    parser.add_argument(
        '--contenders',
        nargs='*',
        choices=['e2e', 'with_cp'],
        default=['e2e', 'with_cp'],
        help='what else takes turns; none if empty',
    )
    args = parser.parse_args(argv)
    if re.fullmatch(r'[1-9]\d*x[1-9]\d*', args.crop) is None:
        parser.error(
            f'`--crop` should be HxW, but got {args.crop!r}. Write e.g. '
            '64x128.'
        )
    # a norm on pooled features needs two images, quartiles need two rounds
    for name in ('batch', 'pairs'):
        if getattr(args, name) < 2:
            parser.error(
                f'`--{name}` should be at least 2, but got '
                f'{getattr(args, name)}. Leave it out for the default.'
            )
    args.crop = tuple(map(int, args.crop.split('x')))
    return args


def build_model(cfg: ConfigDict) -> nn.Module:
    """Build in training mode, with plain batch norm and without dropout."""
    model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg)))
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            # random draws would differ between the contenders
            module.p = 0.0
    return model.train()


def build_plain_model(
    cfg: ConfigDict, model: nn.Module, **backbone: bool
) -> nn.Module:
    """Build the host's model, with the weights of a local one."""
    cfg = copy.deepcopy(cfg)
    cfg.backbone = dict(cfg.backbone.backbone, **backbone)
    plain = build_model(cfg)
    plain.load_state_dict(
        {k: v for k, v in model.state_dict().items() if AUX_NETS not in k}
    )
    return plain


def build_optimizer(parameters: Sequence[Tensor], cfg: Config) -> SGD:
    settings = cfg.optim_wrapper.optimizer
    return SGD(
        parameters,
        lr=settings.lr,
        momentum=settings.get('momentum', 0),
        weight_decay=settings.get('weight_decay', 0),
    )


def make_batch(
    num_images: int, crop: tuple[int, int], num_classes: int
) -> dict:
    """Random images and labels, some of them to be ignored."""
    data_samples = []
    for _ in range(num_images):
        labels = torch.randint(num_classes + 1, (1, *crop))
        labels[labels == num_classes] = 255
        data_samples.append(
            SegDataSample(
                gt_sem_seg=PixelData(data=labels),
                metainfo=dict(img_shape=crop, ori_shape=crop),
            )
        )
    inputs = [
        torch.randint(256, (3, *crop), dtype=torch.uint8)
        for _ in range(num_images)
    ]
    return dict(inputs=inputs, data_samples=data_samples)


class HandWrittenStep:
    """The training step as one would write it for this network alone.

    Args:
        model (nn.Module): The host's plain model.
        local_modules (nn.ModuleList): Aux nets, a copy of their own.
        cfg (Config): Of the optimizer.

    Raises:
        TypeError: If the backbone is no ResNetV1c of mmseg.
        ValueError: If a boundary is no block of it, or a local module has a
            neck.
    """

    def __init__(
        self, model: nn.Module, local_modules: nn.ModuleList, cfg: Config
    ) -> None:
        if type(model.backbone) is not ResNetV1c:
            raise TypeError(
                '`model.backbone.backbone` should be a ResNetV1c, but got '
                f'{type(model.backbone).__name__}. Choose another config.'
            )
        for local_module in local_modules:
            name = local_module.boundary.name
            if re.fullmatch(r'layer\d\.\d+', name) is None:
                raise ValueError(
                    '`boundary` should be a block of ResNetV1c, but got '
                    f"{name!r}. Name one, e.g. 'layer3.0'."
                )
            if local_module.aux_neck is not None:
                raise ValueError(
                    '`aux_neck` should be None, but got '
                    f'{type(local_module.aux_neck).__name__}. Choose another '
                    'config.'
                )
        self.model = model
        self.local_modules = local_modules
        self.aux_nets = {
            m.boundary.name: (m.decoder, m.aux_head) for m in local_modules
        }
        self.optimizer = build_optimizer(
            [*model.parameters(), *local_modules.parameters()], cfg
        )

    def __call__(self, batch: dict) -> None:
        model, backbone = self.model, self.model.backbone
        data = model.data_preprocessor(batch, True)
        inputs, data_samples = data['inputs'], data['data_samples']
        x = backbone.maxpool(backbone.stem(inputs))
        feats = []
        for i, stage in enumerate(backbone.res_layers):
            for j, block in enumerate(getattr(backbone, stage)):
                x = block(x)
                if f'{stage}.{j}' in self.aux_nets:
                    decoder, aux_head = self.aux_nets[f'{stage}.{j}']
                    loss = 0
                    if decoder is not None:
                        loss += decoder.loss((x,), inputs)['loss_recon']
                    if aux_head is not None:
                        loss += self.head_loss(aux_head, (x,), data_samples)
                    loss.backward()
                    x = x.detach()
                    feats = [feat.detach() for feat in feats]
            if i in backbone.out_indices:
                feats.append(x)
        heads = [model.decode_head]
        if model.with_auxiliary_head:
            is_list = isinstance(model.auxiliary_head, nn.ModuleList)
            heads += (
                model.auxiliary_head if is_list else [model.auxiliary_head]
            )
        sum(self.head_loss(h, feats, data_samples) for h in heads).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def head_loss(
        self, head: nn.Module, feats: Sequence[Tensor], data_samples: list
    ) -> Tensor:
        """Sum of the losses of one head."""
        losses = head.loss(feats, data_samples, self.model.train_cfg)
        return sum(v for k, v in losses.items() if 'loss' in k)

    def state_dict(self) -> dict[str, Tensor]:
        """All weights, by their names in a locally supervised model."""
        aux_nets = self.local_modules.state_dict(prefix=AUX_NETS)
        return {**self.model.state_dict(), **aux_nets}


def check_equal_step(
    model: nn.Module,
    step: Callable,
    hand_written: HandWrittenStep,
    batch: dict,
) -> tuple[float, float]:
    """Check that one step of each leads to the same weights.

    Args:
        model (nn.Module): The locally supervised model.
        step (Callable): Trains it on a batch.
        hand_written (HandWrittenStep): With the same weights.
        batch (dict): As a data loader yields it.

    Returns:
        tuple[float, float]: Maximum absolute difference, and maximum
        absolute change by the step, over all parameters and buffers.

    Raises:
        RuntimeError: If they differ by more than rounding.
    """
    before = {k: v.clone() for k, v in model.state_dict().items()}
    hand_written(batch)
    step(batch)
    after, expected = model.state_dict(), hand_written.state_dict()
    if after.keys() != expected.keys():
        raise RuntimeError(
            '`hand_written` should have the weights of the model, but got '
            f'{sorted(after.keys() ^ expected.keys())[:4]!r} in one only. '
            'Choose another config.'
        )
    differences, changes = [], []
    for key, value in after.items():
        differences.append(max_difference(value, expected[key]))
        changes.append(max_difference(value, before[key]))
        # Most changes are small: each tensor is judged by its own, and by
        # the last bits of its values.
        limit = 1e-4 * changes[-1] + 5e-7 * value.abs().max().item()
        if not differences[-1] <= limit:
            raise RuntimeError(
                '`hand_written` should leave the same weights after a step, '
                f'but got a difference of {differences[-1]:.3g} in {key!r}, '
                f'which changed by {changes[-1]:.3g}. One of them computes '
                'something else.'
            )
    return max(differences), max(changes)


def max_difference(first: Tensor, second: Tensor) -> float:
    return (first.double() - second.double()).abs().max().item()


def time_in_turns(
    steps: dict[str, Callable], batch: dict, num_rounds: int
) -> dict[str, list[float]]:
    """Time steps in turns, forwards and backwards alternately.

    Args:
        steps (dict[str, Callable]): By name; each trains on a batch.
        batch (dict): As a data loader yields it.
        num_rounds (int): Each runs once a round.

    Returns:
        dict[str, list[float]]: Seconds, one a round.
    """
    seconds = {name: [] for name in steps}
    shown = time.monotonic()
    for i in range(num_rounds):
        for name in list(steps) if i % 2 == 0 else reversed(steps):
            begin = time.perf_counter()
            steps[name](batch)
            seconds[name].append(time.perf_counter() - begin)
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                print(
                    f'[{i + 1}/{num_rounds}] {name}: '
                    f'{seconds[name][-1]:.2f} s',
                    flush=True,
                )
    return seconds


def format_ratio(
    seconds: dict[str, list[float]], name: str, reference: str
) -> str:
    pairs = zip(seconds[name], seconds[reference], strict=True)
    ratios = [a / b for a, b in pairs]
    low, median, high = statistics.quantiles(ratios, n=4, method='inclusive')
    return (
        f'{name} / {reference}: {median:.3f} '
        f'(quartiles {low:.3f} to {high:.3f}, {len(ratios)} rounds)'
    )


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = parse_args(argv)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    cfg.model.pretrained = None
    cfg.model.data_preprocessor.size = args.crop
    print(f'build {args.config}', flush=True)
    model = build_model(cfg.model)
    check_model(model)  # gives the decoders mean and std
    local_modules = model.backbone.local_supervision.local_modules
    batch = make_batch(args.batch, args.crop, model.num_classes)
    hand_written = HandWrittenStep(
        build_plain_model(cfg.model, model),
        copy.deepcopy(local_modules),
        cfg,
    )
    optimizers = [hand_written.optimizer]
    steps = {'hand-written': hand_written}

    def add_step(
        name: str, model: nn.Module, wrapper: type[OptimWrapper]
    ) -> None:
        optimizers.append(build_optimizer(list(model.parameters()), cfg))
        wrapped = wrapper(optimizers[-1])
        steps[name] = lambda batch: model.train_step(batch, wrapped)

    add_step('ours', model, LocalOptimWrapper)
    for name in args.contenders:
        print(f'build {name}', flush=True)
        plain = build_plain_model(cfg.model, model, with_cp=name == 'with_cp')
        add_step(name, plain, OptimWrapper)
    print('check', flush=True)
    difference, change = check_equal_step(
        model, steps['ours'], hand_written, batch
    )
    print(
        f'after one step: maximum absolute difference {difference:.3g}, '
        f'maximum absolute change {change:.3g}',
        flush=True,
    )
    for optimizer in optimizers:
        # a step takes as long, and noise does not make the losses diverge
        optimizer.param_groups[0]['lr'] = 0.0
    time_in_turns(steps, batch, 1)
    seconds = time_in_turns(steps, batch, args.pairs)
    print(
        f'K={len(local_modules) + 1}, {args.batch} x 3 x {args.crop[0]} x '
        f'{args.crop[1]}, {torch.get_num_threads()} threads; medians:'
    )
    for name, values in seconds.items():
        print(f'  {name}: {statistics.median(values):.3f} s')
    print(format_ratio(seconds, 'ours', 'hand-written'))
    if 'e2e' in steps:
        for name in ('ours', 'with_cp'):
            if name in steps:
                print(format_ratio(seconds, name, 'e2e'))


if __name__ == '__main__':
    main()
