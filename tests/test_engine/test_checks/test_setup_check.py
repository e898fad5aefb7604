"""What is found to be wrong before the first iteration."""

from types import SimpleNamespace

import pytest
import torch
from asserts import wrap
from cases import CASES, build_model
from messages import collect_warnings
from mmdet.models.dense_heads import ATSSVLFusionHead, GroundingDINOHead
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.registry import MODEL_WRAPPERS, MODELS, DefaultScope
from torch import nn
from torch.utils.data import DataLoader
from union_cases import make_batch, make_model

from localsup_mm import supervise_locally
from localsup_mm.engine import (
    check_batches,
    check_classes,
    prepare_model,
)
from localsup_mm.engine.checks import check_model
from localsup_mm.engine.hooks import SetupCheckHook
from localsup_mm.models import SupConHead
from localsup_mm.outside_autocast import outside_autocast


class Segmentor(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.decode_head = nn.Identity()
        self.decode_head.num_classes = num_classes


@pytest.fixture
def find_warnings():
    """What the check of class numbers warns of, where it does not refuse."""
    logged = collect_warnings()

    def find(model, metainfo):
        logged.clear()
        check_classes(model, metainfo)
        return [*logged]

    return find


def test_number_of_classes(find_warnings):
    names = ('a', 'b', 'c')
    assert find_warnings(Segmentor(3), dict(classes=names)) == []
    assert find_warnings(Segmentor(3), {}) == []
    with pytest.raises(ValueError, match=r'head should be 3.*but got 2'):
        check_classes(Segmentor(2), dict(classes=names))
    # logits that no label asks for
    (message,) = find_warnings(Segmentor(4), dict(classes=names))
    assert '`num_classes` of decode_head should be 3' in message
    assert 'but got 4' in message


def build_head(scope, **cfg):
    """A head of a host, in a model that calls it by its name."""
    name = cfg.pop('name', 'bbox_head')
    with DefaultScope.overwrite_default_scope(scope):
        head = MODELS.build(dict(cfg, type=f'{scope}.{cfg["type"]}'))
    return nn.ModuleDict(dict(roi_head=nn.ModuleDict({name: head})))


PANOPTIC = dict(
    classes=['c'] * 133, thing_classes=['t'] * 80, stuff_classes=['s'] * 53
)
FCN = dict(type='FCNHead', name='decode_head', in_channels=4, channels=4)


def test_things_and_stuff(find_warnings):
    things = build_head('mmdet', type='Shared2FCBBoxHead', num_classes=80)
    assert find_warnings(things, PANOPTIC) == []
    masks = dict(type='FCNMaskHead', name='mask_head')
    masks = build_head('mmdet', **masks, num_classes=80)
    assert find_warnings(masks, PANOPTIC) == []
    few = build_head('mmdet', type='Shared2FCBBoxHead', num_classes=79)
    with pytest.raises(ValueError, match=r'should be 53 or 80 or 133.*got 79'):
        check_classes(few, PANOPTIC)


@pytest.mark.parametrize('num_classes', [80, 1203])
def test_places_in_a_text_are_no_classes(num_classes, find_warnings):
    metainfo = dict(classes=['c'] * num_classes)
    model = nn.Module()
    for i, cls in enumerate((ATSSVLFusionHead, GroundingDINOHead)):
        # GLIP's would have to build a language model
        head = cls.__new__(cls)
        nn.Module.__init__(head)
        head.num_classes = 256
        setattr(model, f'detector_{i}', nn.ModuleDict(dict(bbox_head=head)))
    messages = find_warnings(model, metainfo)
    assert len(messages) == 2
    for message in messages:
        assert f'should be {num_classes}' in message
        assert 'but got 256' in message


def test_a_boundary_has_two_classes_by_design(find_warnings):
    metainfo = dict(classes=['c'] * 19)
    stdc = dict(FCN, type='STDCHead', num_convs=1, boundary_threshold=0.1)
    model = build_head('mmseg', **stdc, num_classes=2)
    (message,) = find_warnings(model, metainfo)
    assert 'right if STDCHead predicts something else' in message
    with pytest.raises(ValueError, match=r'should be 19.*got 18'):
        check_classes(build_head('mmseg', **FCN, num_classes=18), metainfo)


def test_a_binary_head_has_one_logit(find_warnings):
    binary = dict(FCN, num_classes=1, out_channels=1, threshold=0.5)
    model = build_head('mmseg', **binary)
    metainfo = dict(classes=('background', 'vessel'))
    assert len(find_warnings(model, metainfo)) == 1


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


def test_a_local_backward_reaches_all():
    """What an aux net does with the labels is its own business."""
    logged = collect_warnings()
    model = make_model(('unused',))
    inputs, labels = make_batch((), 0)
    data = dict(inputs=inputs, data_samples=labels)
    model.train_step(data, wrap(model))
    warned = [m for m in logged if 'depends on the labels' in m]
    assert len(warned) == 2
    assert "'backbone.local_supervision.local_modules.0.aux" in warned[0]

    model.backbone[0].forward = no_gradient(model.backbone[0].forward)
    with pytest.raises(RuntimeError, match=r"no gradient for 'backbone\.0"):
        model.train_step(data, wrap(model))


def no_gradient(forward):
    """As a checkpoint that the input leads no gradient to."""

    def run(x):
        with torch.no_grad():
            return forward(x)

    return run
