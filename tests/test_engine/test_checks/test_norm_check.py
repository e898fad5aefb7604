"""A single image under BatchNorm, in this batch or the last of an epoch."""

import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch import nn
from torch.utils.data import DataLoader

from localsup_mm.engine.checks.norm_check import check_norms


def make_net(norm, pool=True):
    return nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.AdaptiveAvgPool2d(1) if pool else nn.Identity(),
        nn.Flatten() if norm is nn.BatchNorm1d else nn.Identity(),
        norm(4),
    )


def run(net, images, batch, iters=100, sampler=DefaultSampler, **kwargs):
    """Train an epoch; return the error of torch and that of the check."""
    data = [torch.rand(3, 2, 2) for _ in range(images)]
    loader = DataLoader(data, batch, sampler=sampler(data), **kwargs)
    handles = check_norms(net, loader, iters)
    batches = [
        torch.stack(data[i : i + batch]) for i in range(0, images, batch)
    ]
    if kwargs.get('drop_last') or sampler is InfiniteSampler:
        batches = [b for b in batches if len(b) == batch]
    errors = []
    for first in (True, False):
        try:
            for x in batches[: 1 if first else iters]:
                net(x)
        except ValueError as error:
            errors.append(str(error))
        else:
            errors.append('')
        for handle in handles:
            handle.remove()
    return errors


@pytest.mark.parametrize('norm', [nn.BatchNorm1d, nn.BatchNorm2d])
@pytest.mark.parametrize(('images', 'batch'), [(9, 4), (3, 1), (1, 4)])
def test_error_comes_in_the_first_iteration(norm, images, batch):
    ours, theirs = run(make_net(norm), images, batch)
    assert 'more than 1 value per channel' in theirs
    number = min(images, batch)
    assert f"{norm.__name__} '3', whose features are 1 x 1, but got" in ours
    assert f'batches of {number}' in ours
    assert 'Set drop_last=True' in ours


@pytest.mark.parametrize(
    ('net', 'kwargs'),
    [
        (make_net(nn.BatchNorm2d, pool=False), {}),
        (make_net(nn.Identity), {}),
        (make_net(nn.BatchNorm2d).eval(), {}),
        (make_net(nn.BatchNorm2d), dict(drop_last=True)),
        (make_net(nn.BatchNorm2d), dict(sampler=InfiniteSampler)),
        # the last batch of the epoch is not reached
        (make_net(nn.BatchNorm2d), dict(iters=2)),
    ],
)
def test_what_torch_runs_is_not_refused(net, kwargs):
    assert run(net, 9, 4, **kwargs) == ['', '']
