"""What is found to be wrong before the first iteration."""

from types import SimpleNamespace

import pytest
import torch
from cases import CASES, build_model
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.registry import MODEL_WRAPPERS
from torch import nn
from torch.utils.data import DataLoader

from localsup_mm import supervise_locally
from localsup_mm.engine import (
    check_batches,
    check_classes,
    prepare_model,
)
from localsup_mm.engine.checks import check_model
from localsup_mm.engine.hooks import SetupCheckHook
from localsup_mm.engine.outside_autocast import outside_autocast
from localsup_mm.models import SupConHead


class Segmentor(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.decode_head = nn.Identity()
        self.decode_head.num_classes = num_classes


def test_number_of_classes():
    check_classes(Segmentor(3), dict(classes=('a', 'b', 'c')))
    check_classes(Segmentor(3), {})
    with pytest.raises(ValueError, match=r'head should be 2.*but got 3'):
        check_classes(Segmentor(3), dict(classes=('a', 'b')))


def test_number_of_classes_of_an_aux_head():
    model = build_model(CASES['toy'])
    with pytest.raises(
        ValueError, match=r'local_modules\.0\.aux_head should be 4'
    ):
        check_classes(model, dict(classes=('a', 'b', 'c', 'd')))


def test_normalization_is_that_of_the_preprocessor():
    model = build_model(CASES['toy'])
    model.data_preprocessor.register_buffer(
        'mean', torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    )
    model.data_preprocessor.register_buffer(
        'std', torch.tensor([4.0, 5.0, 6.0]).view(3, 1, 1)
    )
    prepare_model(model)
    decoder = model.backbone.local_supervision.local_modules[0].decoder
    assert decoder.mean.flatten().tolist() == [1, 2, 3]
    assert decoder.std.flatten().tolist() == [4, 5, 6]


def test_unknown_normalization():
    net = supervise_locally(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
        [dict(boundary='0', decoder={})],
    )
    with pytest.raises(ValueError, match='Sequential has no data prepr'):
        prepare_model(net)


@pytest.mark.parametrize(
    ('images', 'batch', 'smallest'), [(9, 4, 1), (9, 1, 1), (1, 4, 1)]
)
def test_batch_of_one_for_the_contrastive_loss(images, batch, smallest):
    model = nn.Sequential(SupConHead(4))
    data = list(range(images))
    loader = DataLoader(data, batch, sampler=DefaultSampler(data))
    with pytest.raises(ValueError, match=f'at least 2.*one of {smallest}'):
        check_batches(model, loader)
    check_batches(nn.Sequential(nn.Linear(4, 4)), loader)


def test_batches_large_enough_for_the_contrastive_loss():
    model = nn.Sequential(SupConHead(4))
    data = list(range(9))
    for loader in (
        DataLoader(data, 4, sampler=DefaultSampler(data), drop_last=True),
        DataLoader(data, 3, sampler=DefaultSampler(data)),
        DataLoader(data, 4, sampler=InfiniteSampler(data)),
    ):
        check_batches(model, loader)


@pytest.mark.parametrize('device', ['cpu', 'mps', 'meta'])
def test_devices_without_autocast(device):
    """Local backwards leave autocast where there is one to leave."""
    with outside_autocast(device):
        assert not torch.is_autocast_enabled('cpu')


@MODEL_WRAPPERS.register_module()
class Engine(nn.Module):
    """It runs the iteration its own way, as DeepSpeed's wrapper does."""

    def __init__(self, module):
        super().__init__()
        self.module = module


def test_engine_of_its_own():
    model = Engine(build_model(CASES['toy']))
    with pytest.raises(TypeError, match='Engine, which expects no backward'):
        check_model(model)
    runner = SimpleNamespace(model=model)
    with pytest.raises(TypeError, match='but got Engine'):
        SetupCheckHook().before_train(runner)


def test_any_wrapper_trains_end_to_end():
    check_model(Engine(build_model(CASES['toy'], num_local_modules=1)))
