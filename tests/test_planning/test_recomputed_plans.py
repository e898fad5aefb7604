"""Plans that cut and compute again: predicted, counted and trained."""

import random

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from test_planner import DEEPLAB, SMALL_SWIN, SWIN

from localsup_mm.hosts import find_host
from localsup_mm.planning import make_planner
from localsup_mm.planning.search import Choice
from localsup_mm.simulation import read_workload


@pytest.fixture(scope='module')
def read_planner():
    planners = {}

    def read(config, options=None, recompute='any', **kwargs):
        key = config, recompute, *kwargs.items()
        if key not in planners:
            cfg = Config.fromstring(f'_base_ = [{config!r}]', '.py')
            cfg.merge_from_dict(options or {})
            workload = read_workload(cfg, **kwargs)
            aux_nets = find_host(cfg).make_default_aux_nets(cfg)
            with DefaultScope.overwrite_default_scope(cfg.default_scope):
                planners[key] = make_planner(
                    workload, aux_nets, recompute=recompute
                )
        return planners[key]

    return read


def draw_choice(planner, seed):
    rng = random.Random(seed)
    cuts = planner.memory_model.cuts
    places = sorted(rng.sample(cuts, rng.randint(0, 2)))
    stretches = planner.profile.stretches
    ways = [rng.randint(0, len(stretch.ways)) for stretch in stretches]
    return Choice(tuple(places), tuple(ways), 0, 0.0)


def test_heads_that_compute_again_hold_what_they_get(read_planner):
    """It is all outputs of the backbone, of which each reads one.

    They let it go in their backward: an auxiliary head does before the
    others go back.
    """
    planner = read_planner(DEEPLAB)
    stretches, names = planner.profile.stretches, planner.names
    num_ways = 0
    for position, stretch in enumerate(stretches):
        for number in range(len(stretch.ways) * (position > len(names))):
            ways = [0] * len(stretches)
            ways[position] = number + 1
            choice = Choice((len(names),), tuple(ways), 0, 0.0)
            plan = planner.evaluate_choice(choice)
            predicted = planner.memory_model.peaks(choice.places, ways)
            assert predicted == pytest.approx(plan.module_peaks, rel=2e-3)
            num_ways += 1
    assert num_ways > 5


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize(
    ('config', 'options', 'kwargs'),
    [(DEEPLAB, {}, {}), (SWIN, SMALL_SWIN, dict(image_size=(256, 256)))],
)
def test_prediction_of_both_levers(
    config, options, kwargs, seed, read_planner
):
    """Each stretch computes again in a way drawn by chance."""
    planner = read_planner(config, options, **kwargs)
    choice = draw_choice(planner, seed)
    plan = planner.evaluate_choice(choice)
    predicted = planner.memory_model.peaks(choice.places, choice.ways)
    assert max(predicted) == pytest.approx(plan.peak_memory, rel=2e-3)
    assert plan.recompute
    assert plan.extra_time > 0


def test_recomputation_alone(read_planner):
    plan = read_planner(DEEPLAB).plan(num_local_modules=1)
    assert plan.boundaries == ()
    assert plan.recompute
    assert plan.peak_memory < plan.end_to_end
    text = plan.describe()
    assert text.startswith('1 local module: ')
    assert 'computed again' in text
    assert '% time, predicted' in text
    nothing = read_planner(DEEPLAB, recompute='none').plan(1)
    assert nothing.recompute == {}
    assert nothing.peak_memory == plan.end_to_end


def test_cheap_has_no_more_macs(read_planner):
    planner = read_planner(DEEPLAB, recompute='cheap')
    plan = planner.plan(num_local_modules=1)
    assert plan.recompute.keys() == {'cheap'}
    assert plan.extra_step_macs == 0
    assert plan.extra_time > 0
    assert plan.peak_memory < plan.end_to_end


def test_budget_takes_the_least_time(read_planner):
    planner = read_planner(DEEPLAB)
    lowest = planner.plan()
    budget = (lowest.peak_memory + lowest.end_to_end) // 2
    plan = planner.plan(memory_budget=budget)
    assert plan.peak_memory <= budget
    assert plan.extra_time < lowest.extra_time
    within = [c for c in planner.find_choices() if c.peak <= budget]
    step = planner.memory_model.step_time
    price = planner.boundary_time * len(plan.boundaries)
    cheapest = min(choice.cost for choice in within) / step
    assert plan.extra_time + price <= cheapest + 0.02
    nothing = planner.plan(memory_budget='1TiB')
    assert (nothing.boundaries, nothing.recompute) == ((), {})


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"`recompute`.*'none', .*'some'"):
        make_planner(None, {}, recompute='some')
