"""Predicted memory against measured, and the plans that follow."""

import copy
import functools
import json
import re
from dataclasses import replace

import pytest
import torch
from cases import CASES, build_model
from mmengine.config import Config
from mmengine.registry import DefaultScope
from processes import ROOT
from tiny_detector import narrow_detector

from localsup_mm.hosts import find_host
from localsup_mm.metering import format_bytes, parse_bytes
from localsup_mm.planning import make_planner
from localsup_mm.planning.search import find_choices
from localsup_mm.simulation import Workload, peak_memory, read_workload

SGD = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
DEEPLAB = f'{ROOT}/configs/e2e/deeplabv3_r18_camvid.py'
RESNET32 = f'{ROOT}/configs/e2e/resnet32_cifar10.py'
RESNET20 = {'model.backbone.depth': 20}
ACCUMULATING = {'optim_wrapper.accumulative_counts': 4}
SWIN = 'mmseg::swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py'  # noqa: E501
SMALL_SWIN = {
    'model.backbone.embed_dims': 24,
    'model.backbone.depths': (2, 2, 2, 2),
    'model.decode_head.in_channels': (24, 48, 96, 192),
    'model.decode_head.channels': 32,
    'model.auxiliary_head.in_channels': 96,
    'model.auxiliary_head.channels': 32,
}
MASK_RCNN = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
RECOMPUTE = dict(
    recompute=dict(
        full=['backbone.layer1.*', 'auxiliary_head'],
        cheap=['backbone.layer*', 'decode_head', 'decode_head.loss_by_feat'],
    )
)
SMALL_MASK_RCNN = {'model.backbone.depth': 18}


def read_small(config, options, **kwargs):
    cfg = Config.fromstring(f'_base_ = [{config!r}]', '.py')
    cfg.merge_from_dict(options)
    if config == MASK_RCNN:
        narrow_detector(cfg, channels=64)
    return cfg, read_workload(cfg, **kwargs)


@functools.cache
def _read_planner(config, options, **kwargs):
    cfg, workload = read_small(config, json.loads(options), **kwargs)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return make_planner(
            workload, find_host(cfg).make_default_aux_nets(cfg)
        )


def read_planner(config, options=None, **kwargs):
    return _read_planner(config, json.dumps(options or {}), **kwargs)


def make_toy_planner(name='toy', size=64, aux_nets=None, **kwargs):
    workload = Workload(
        build_model(CASES[name], is_local=False),
        (2, 3, size, size),
        lambda shape: torch.zeros(shape[0], dtype=torch.long),
        functools.partial(SGD, weight_decay=kwargs.pop('weight_decay', 0)),
        **kwargs,
    )
    decoder = dict(mean=[0.0] * 3, std=[255.0] * 3)
    return make_planner(workload, aux_nets or dict(decoder=decoder))


@pytest.mark.parametrize(
    ('config', 'options', 'kwargs', 'cuts'),
    [
        (DEEPLAB, {}, {}, ['layer1.0', 'layer2.0', 'layer3']),
        (DEEPLAB, {}, {}, ['layer3.0']),
        (DEEPLAB, {}, dict(amp=True), ['layer1', 'layer3.0']),
        (DEEPLAB, {}, dict(with_cp=True), ['layer1', 'layer3.0']),
        (DEEPLAB, RECOMPUTE, {}, ['layer1', 'layer3.0']),
        (DEEPLAB, ACCUMULATING, {}, ['layer1', 'layer3.0']),
        (RESNET32, RESNET20, dict(batch_size=1024), ['layer1.1', 'layer2.1']),
        (
            RESNET32,
            RESNET20,
            dict(batch_size=1024),
            ['relu', *(f'layer{i}.{j}' for i in (1, 2) for j in range(2))],
        ),
        # the module at the end of the second one holds what went into it
        (
            RESNET32,
            RESNET20,
            dict(with_cp=True),
            ['layer1.0', 'layer1', 'layer2.1'],
        ),
        # the quick suite has one with another size in test_recomputed_plans
        *(
            pytest.param(SWIN, SMALL_SWIN, {}, cuts, marks=pytest.mark.slow)
            for cuts in (
                ['stages.0.blocks.0', 'stages.2.blocks.0'],
                ['stages.1.blocks.0'],
            )
        ),
        (MASK_RCNN, SMALL_MASK_RCNN, {}, ['layer2.0', 'layer3.0']),
    ],
)
def test_prediction_is_what_is_counted(config, options, kwargs, cuts):
    planner = read_planner(config, options, **kwargs)
    plan = planner.evaluate(cuts)
    predicted = planner.memory_model.peaks(
        [planner.names.index(name) + 1 for name in cuts]
    )
    # so near that the search need not measure others
    assert max(predicted) == pytest.approx(plan.peak_memory, rel=2e-3)
    # a module that sets no peak may begin with a layer that needs less than
    # end to end, where its input needs a gradient
    assert predicted == pytest.approx(plan.module_peaks, rel=0.03)
    assert max(plan.module_peaks) == plan.peak_memory < plan.end_to_end


HEAD = dict(aux_head=dict(type='ToyHead'))
WIDE_HEAD = dict(aux_head=dict(type='ToyHead', num_classes=50_000))
STEP_EACH = dict(step_each_module=True)


@pytest.mark.parametrize(
    ('name', 'aux_nets', 'cuts', 'kwargs'),
    [
        # aux nets with nearly all parameters: their state and gradients
        ('toy', WIDE_HEAD, ['conv1', 'conv2'], {}),
        ('toy', WIDE_HEAD, ['conv1', 'conv2'], STEP_EACH),
        # a backward in which the features at the end live on
        ('densenet', HEAD, ['stages.0'], {}),
        # parameters take more than activations: gradients, and what the
        # optimizer's step takes
        ('resnet_v1c_dilated', HEAD, ['layer1.0', 'layer3.0'], {}),
        ('resnet_v1c_dilated', HEAD, ['layer1.0', 'layer3.0'], STEP_EACH),
    ],
)
def test_prediction_of_the_peak_is_exact(name, aux_nets, cuts, kwargs):
    size, decay = (32, 1e-3) if 'resnet' in name else (64, 0)
    planner = make_toy_planner(
        name, size, aux_nets, weight_decay=decay, **kwargs
    )
    plan = planner.evaluate(cuts)
    predicted = max(
        planner.memory_model.peaks(
            [planner.names.index(name) + 1 for name in cuts]
        )
    )
    assert predicted == pytest.approx(plan.peak_memory, rel=2e-3)
    assert plan.end_to_end == peak_memory(planner.workload)


def test_what_lives_on_behind_a_cut():
    profile = make_toy_planner().profile
    assert profile.names == ('conv1', 'conv2', 'conv3')
    kept = [sum(stretch.kept.values()) for stretch in profile.stretches]
    size = 2 * 8 * 32 * 32 * 4  # bytes of features
    # the first output; and the second, with what its norm has saved
    assert kept[:-1] == [0, size, 3 * size]
    # at the end what the norm has saved; the head saves no output
    assert kept[-1] == size


def test_what_lives_on_of_frozen_stages():
    planner = make_toy_planner('resnet_mmdet_frozen')
    profile = planner.profile
    stretch = profile.stretches[profile.names.index('layer3.0')]
    kept = sorted(stretch.kept.values())
    # that of layer2, and of layer1, which is frozen
    assert kept == [2 * 32 * 8 * 8 * 4, 2 * 16 * 16 * 16 * 4]
    trained = planner.workload.model.parameters()
    assert profile.gradients == sum(
        p.nbytes for p in trained if p.requires_grad
    )


def test_end_to_end_is_that_of_the_plain_model():
    planner = read_planner(DEEPLAB)
    assert planner.profile.peak == peak_memory(planner.workload)
    plan = planner.plan(num_local_modules=1)
    assert plan.boundaries == ()
    assert plan.peak_memory == plan.end_to_end == planner.profile.peak
    assert plan.module_peaks == (plan.end_to_end,)


def test_optimizer_step_may_need_the_most():
    """Where images are small, of parameters and their gradients."""
    planner = read_planner(DEEPLAB, image_size=(64, 64))
    assert planner.profile.peak == peak_memory(planner.workload)
    plan = planner.evaluate(['layer3.0'])
    place = planner.names.index('layer3.0') + 1
    predicted = planner.memory_model.peaks([place])
    assert predicted == pytest.approx(plan.module_peaks, rel=0.002)


def test_gradients_that_accumulate_live_in_all_local_modules():
    planner = read_planner(DEEPLAB, ACCUMULATING)
    gradients = sum(
        p.numel() * p.element_size()
        for p in planner.workload.model.parameters()
    )
    more = [
        a - b
        for a, b in zip(
            planner.evaluate(['layer1']).module_peaks,
            read_planner(DEEPLAB).evaluate(['layer1']).module_peaks,
        )
    ]
    assert 0.95 * gradients < more[0] < 1.05 * gradients


def test_number_of_local_modules():
    planner = read_planner(DEEPLAB)
    peaks = []
    for k in (2, 3, 4):
        plan = planner.plan(num_local_modules=k)
        assert len(plan.boundaries) == k - 1
        peaks.append(plan.peak_memory)
    assert peaks[0] > max(peaks[1:])
    assert peaks[0] < planner.profile.peak
    by_stages = planner.evaluate(['layer1', 'layer2', 'layer3'])
    assert peaks[-1] < by_stages.peak_memory


def test_budget_takes_less_than_the_lowest_plan():
    planner = read_planner(DEEPLAB)
    lowest = planner.plan()
    budget = (lowest.peak_memory + lowest.end_to_end) // 2
    plan = planner.plan(memory_budget=budget)
    assert plan.peak_memory <= budget
    assert 0 < plan.extra_macs < lowest.extra_macs
    # nothing is cut where nothing has to be
    assert planner.plan(memory_budget='1TiB').boundaries == ()


def test_largest_aux_nets_that_are_cheap():
    def make(stride):
        norm = dict(mean=[0.0] * 3, std=[255.0] * 3)
        decoder = dict(channels=(1, 1), target_stride=stride, **norm)
        return dict(decoder=decoder, min_stride=stride)

    large, cheap, cheaper = make(1), make(8), make(16)
    planner = make_toy_planner(aux_nets=large)
    assert planner.plan(4).extra_macs > 0.06
    # one alone is as the user wants it
    assert planner.aux_nets == large
    planner = make_toy_planner(aux_nets=[large, cheap, cheaper])
    assert planner.aux_nets == cheap
    assert 0 < planner.plan(4).extra_macs < 0.06
    # where none is, the last
    planner = make_toy_planner(aux_nets=[large, make(2)])
    assert planner.aux_nets == make(2)


def test_plans_are_the_same_each_time():
    assert make_toy_planner().plan() == make_toy_planner().plan()


def test_detectors_sample_the_same_boxes_each_time():
    workload = read_planner(MASK_RCNN, SMALL_MASK_RCNN).workload
    workload = replace(workload, input_shape=(2, 3, 128, 192))
    state = torch.get_rng_state()
    peak = peak_memory(workload)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    assert peak_memory(workload) == peak


def test_budget_below_the_floor_says_what_sets_it():
    planner = read_planner(DEEPLAB)
    lowest = planner.plan()
    with pytest.raises(
        ValueError, match=r'`memory_budget`.* at least \d.*got 100\.0'
    ) as error:
        planner.plan(memory_budget='100MiB')
    static, gradients = (
        f'{size / 2**20:.1f} MiB'
        for size in (planner.profile.static, planner.profile.gradients)
    )
    assert f'optimizer state take {static}, gradients {gradients}; ' in str(
        error.value
    )
    # as in the list of local modules
    assert re.search(r'; local_\d, up to the heads, sets', str(error.value))
    # all sizes in one unit, and flags for what would help
    assert 'GiB' not in str(error.value)
    assert '(--memory-budget)' in str(error.value)
    assert '(--step-each-module)' in str(error.value)
    peaks = planner.memory_model.peaks(
        find_choices(planner.memory_model)[0].places
    )
    assert max(peaks) == peaks[-1] > max(peaks[:-1])
    assert planner.plan(memory_budget=lowest.peak_memory)


@pytest.mark.parametrize(
    'image_size',
    [pytest.param((256, 256), marks=pytest.mark.slow), (321, 321)],
)
def test_floor_is_a_budget_that_is_kept(image_size):
    planner = read_planner(DEEPLAB, image_size=image_size)
    lowest = planner.plan()
    kept = planner.plan(memory_budget=lowest.peak_memory)
    assert kept.peak_memory <= lowest.peak_memory
    with pytest.raises(ValueError, match='at least') as error:
        planner.plan(memory_budget='100MiB')
    floor = re.search(r'at least ([\d.]+ .iB)', str(error.value))[1]
    assert planner.plan(memory_budget=floor).peak_memory <= parse_bytes(
        floor, 'memory_budget'
    )


@pytest.mark.parametrize('error', [-0.015, 0.015])
def test_wrong_predictions_change_no_plan(error):
    """Within the tolerance of the search: what counts is measured."""
    planner = make_toy_planner()
    lowest = planner.plan()
    model = copy.deepcopy(planner.memory_model)
    model.profile.static += round(error * lowest.peak_memory)
    wrong = replace(planner, memory_model=model)
    assert wrong.plan() == lowest
    assert wrong.plan(memory_budget=lowest.peak_memory) == lowest
    with pytest.raises(ValueError, match='at least') as caught:
        wrong.plan(memory_budget=lowest.peak_memory // 2)
    budget = lowest.peak_memory // 2
    floor = format_bytes(lowest.peak_memory, True, unit_of=budget)
    assert f'at least {floor}, ' in str(caught.value)


def test_lowest_memory_has_the_fewest_macs_within_1_percent():
    planner = read_planner(DEEPLAB)
    choices = find_choices(planner.memory_model)
    limit = 1.01 * choices[0].peak
    plan = planner.plan()
    places = [planner.names.index(name) + 1 for name in plan.boundaries]
    found = max(planner.memory_model.peaks(places))
    assert choices[0].peak < found <= limit
    higher = [c.peak for c in choices if c.peak > found]
    assert higher
    assert min(higher) > limit


@pytest.mark.parametrize('k', [0, -1, 5, '3', 2.0])
def test_more_local_modules_than_places(k):
    # conv1, conv2 and conv3 are places
    with pytest.raises(ValueError, match=rf'from 1 to 4.*ToyBackbone.*{k!r}'):
        make_toy_planner().plan(num_local_modules=k)


def test_backbone_without_boundaries():
    model = build_model(CASES['toy'], is_local=False)
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad = name.startswith('conv4')
    workload = Workload(model, (2, 3, 64, 64), list, SGD)
    with pytest.raises(ValueError, match=r'`backbone`.*ToyBackbone without'):
        make_planner(workload, dict(decoder={}))


def test_own_boundaries():
    planner = read_planner(DEEPLAB)
    # another name of a place, and one inside of a block
    names = ['layer2.1', 'layer3.0.relu']
    assert not set(names) & set(planner.names)
    with pytest.raises(ValueError, match=r"'layer3\.0\.relu'.*Closest"):
        planner.evaluate(names)
    plan = planner.evaluate(names[:1])
    same = planner.evaluate(['layer2'])
    assert plan.peak_memory == same.peak_memory < plan.end_to_end
    assert plan.extra_macs == same.extra_macs > 0
    assert plan.module_peaks == same.module_peaks


def test_frozen_stages_save_nothing():
    frozen = read_planner(MASK_RCNN, SMALL_MASK_RCNN)
    assert frozen.names[0].startswith('layer2')
    # nothing to train, and so nothing to keep, before the first boundary
    assert frozen.profile.stretches[0].gradients > 0
    _, learning = read_small(
        MASK_RCNN,
        {**SMALL_MASK_RCNN, 'model.backbone.frozen_stages': 0},
    )
    assert peak_memory(learning) > peak_memory(frozen.workload)


def test_optimizer_that_cannot_step_each_module():
    workload = replace(
        read_planner(DEEPLAB).workload,
        step_each_module=True,
        make_optimizer=Counting,
    )
    planner = make_planner(workload, read_planner(DEEPLAB).aux_nets)
    with pytest.raises(ValueError, match=r'`optimizer`.*got Counting'):
        planner.evaluate(['layer2'])


class Counting(torch.optim.SGD):
    """Keeps count for all parameters."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.1)

    def step(self):
        for group in self.param_groups:
            group['step'] = group.get('step', 0) + 1
        super().step()
