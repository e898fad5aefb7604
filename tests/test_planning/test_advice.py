"""What is said of a plan that saves nothing."""

import re
from dataclasses import replace

import pytest
import torch
from commands import run_localsup
from mmengine.config import Config
from processes import ROOT
from test_planner import DEEPLAB, make_toy_planner, read_planner

from localsup_mm.planning.advice import list_savings, note_savings


@pytest.fixture
def planner():
    return make_toy_planner()


@pytest.fixture
def plan(planner):
    return replace(planner.plan(2), note='')


def note(planner, plan, ratio, lowest=1.0, budget=None):
    """The note on a plan that needs so much of end to end."""
    peak = round(ratio * plan.end_to_end)
    earlier = [1] * len(plan.boundaries)
    plan = replace(plan, module_peaks=(*earlier, peak))
    lowest = round(lowest * plan.end_to_end)
    return note_savings(
        planner.workload, planner.profile, plan, lowest, budget
    )


def test_what_saves_memory_needs_no_word(planner, plan):
    assert note(planner, plan, 0.97) == ''
    assert plan.note == ''
    assert len(plan.describe().splitlines()) == 4


@pytest.mark.parametrize('ratio', [0.99, 1.0, 1.01])
def test_cuts_that_save_nothing(ratio, planner, plan):
    text = note(planner, plan, ratio)
    assert text.startswith('These cuts save no memory. Parameters, ')
    assert 'local_1, up to the heads, sets the peak' in text
    assert '--lowest' not in text
    text = note(planner, plan, ratio, lowest=0.5)
    assert text.endswith('here is the lowest memory (--lowest).')
    assert replace(plan, note=text).describe().splitlines()[-1] == text


def test_no_cut_saves_memory(planner, plan):
    plan = replace(plan, boundaries=())
    assert note(planner, plan, 1.0).startswith('No cut saves memory. ')


def test_budget_above_end_to_end(planner, plan):
    budget = 2 * plan.end_to_end
    text = note(planner, plan, 1.0, budget=budget)
    assert re.match(r'End to end is within the budget of [\d.]+ MiB: ', text)
    assert 'only where it is lower' in text
    text = note(planner, plan, 1.0, 0.5, budget)
    assert text.endswith('lower it or ask for the lowest memory (--lowest).')


def test_what_is_already_done_is_not_offered(planner, plan):
    def list_all(**changes):
        workload = replace(planner.workload, **changes)
        profile = replace(planner.profile, static=0)
        profile.stretches[-1].gradients = 0
        return list_savings(workload, profile, plan)

    flags = re.findall('--[a-z-]+', list_all())
    # the toy network has no activation checkpointing
    assert flags == ['--batch', '--amp', '--recompute', '--step-each-module']
    assert '--amp' not in list_all(autocast_dtype=torch.bfloat16)
    assert '--step' not in list_all(step_each_module=True)
    assert '--step' not in list_all(accumulates=True)


def test_parameters_that_set_the_peak():
    """Small images: nothing that saves activations is offered."""
    plan = read_planner(DEEPLAB, image_size=(32, 32)).plan(3)
    assert plan.peak_memory > 0.98 * plan.end_to_end
    assert 'they pay for more or larger images' in plan.note
    assert plan.note.endswith('a step of each module (--step-each-module).')
    assert '--batch' not in plan.note


def test_commands_say_so(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/e2e/resnet32_cifar10.py'\n"
        'model = dict(backbone=dict(depth=8))\n'
    )
    words = ['--batch', '2', '--budget', '8GiB']
    assert 'End to end is within the budget' in run_localsup(
        'plan', config, *words
    )
    out = tmp_path / 'my.py'
    assert 'End to end is within the budget' in run_localsup(
        'localize', config, *words, '-o', out
    )
    assert '# End to end is within the budget' in out.read_text()
    assert Config.fromfile(out).model.backbone.type == 'LocalBackbone'
