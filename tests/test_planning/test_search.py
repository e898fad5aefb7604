"""The search against all choices there are."""

import itertools
import math
import random
from dataclasses import replace

import pytest

from localsup_mm.planning.aux_cost import AuxCost
from localsup_mm.planning.fronts import keep_some
from localsup_mm.planning.memory_model import MemoryModel
from localsup_mm.planning.search import find_choices
from localsup_mm.planning.stretches import StepProfile, Stretch


def make_model(seed, num_places=8, num_ways=0):
    """Memory that grows by random steps; five kinds of aux nets."""
    draw = random.Random(seed).randint
    ends = range(num_places + 2)
    forward = list(itertools.accumulate(draw(10, 100) for _ in ends))
    kinds = [
        AuxCost(
            draw(0, 50),
            draw(5, 60),
            draw(0, 50),
            draw(1, 80),
            draw(1, 5),
            draw(2, 15),
            draw(0, 9),
        )
        for _ in range(5)
    ]
    gradients = list(itertools.accumulate(draw(0, 9) for _ in ends))
    stretches = [
        Stretch(
            name=f'layer{i}' if i <= num_places else '',
            live_before=forward[i - 1],
            forward_peak=forward[i] + draw(0, 20),
            backward_peak=forward[i] + draw(0, 60),
            holding_peak=forward[i] + draw(0, 70),
            live_after=forward[i],
            gradients=gradients[i],
            output={10 + i: draw(1, 10)},
            input={9 + i: 4},
            kept={1: 5} if i > 3 else {},
        )
        for i in ends[1:]
    ]
    for stretch in stretches:
        for _ in range(num_ways):
            # in another iteration, in which less lives everywhere
            less, saved = draw(0, 90), draw(20, 80)
            way = replace(
                stretch,
                live_before=stretch.live_before - less,
                forward_peak=stretch.forward_peak - less - draw(0, saved),
                backward_peak=stretch.backward_peak - less + draw(-9, 9),
                live_after=stretch.live_after - less - saved,
                backward_macs=draw(1, 30),
                backward_moved=draw(0, 3),
            )
            stretch.ways.append(way)
    profile = StepProfile(
        stretches,
        [],
        static=100,
        peak=2 * forward[-1],
        macs=1000,
        step_macs=3000,
        moved=100,
        state_ratio=0.1,
        live_at_start=forward[0],
        update=draw(0, 50),
    )
    return MemoryModel(
        profile, [kinds[i * 5 // num_places] for i in range(num_places)]
    )


def count_cost(model, places, ways):
    """By hand: ten MACs for a byte, and 1 % of the step for each boundary."""
    cost = 0.01 * len(places) * (3000 + 10 * 100)
    for place in places:
        aux = model.aux_cost(place)
        cost += aux.step_macs + 10 * aux.moved
    for stretch, number in zip(model.profile.stretches, ways):
        if number:
            way = stretch.ways[number - 1]
            cost += way.backward_macs + 10 * way.backward_moved
    return round(cost, 6)


def find_by_trying_all(model, k):
    places = model.cuts
    sizes = range(len(places) + 1) if k is None else [k - 1]
    every = [range(1 + len(s.ways)) for s in model.profile.stretches]
    tried = sorted(
        (max(model.peaks(cuts, ways)), count_cost(model, cuts, ways))
        for size in sizes
        for cuts in itertools.combinations(places, size)
        for ways in itertools.product(*every)
    )
    best, front = math.inf, []
    for peak, cost in tried:
        if cost < best:
            best = cost
            front.append((peak, cost))
    return front


@pytest.mark.parametrize('k', [None, 1, 2, 4, 9])
@pytest.mark.parametrize('seed', range(10))
def test_no_better_cut_is_missed(seed, k):
    model = make_model(seed)
    check(model, k)


@pytest.mark.parametrize('k', [None, 1, 3])
@pytest.mark.parametrize('seed', range(6))
def test_nothing_better_to_recompute_is_missed(seed, k):
    model = make_model(seed, num_places=3, num_ways=2)
    choices = check(model, k)
    assert k == 3 or any(any(choice.ways) for choice in choices)


def check(model, k):
    choices = find_choices(model, k)
    found = [(c.peak, round(c.cost, 6)) for c in choices]
    assert found == find_by_trying_all(model, k)
    for choice in choices:
        assert max(model.peaks(choice.places, choice.ways)) == choice.peak
    return choices


def test_a_boundary_has_its_price():
    """Where it saves less time than that, fewer local modules are better."""
    most = {0.0: 0, 1.0: 0}
    for seed in range(8):
        model = make_model(seed, num_places=3, num_ways=2)
        for price in most:
            choices = find_choices(model, boundary_time=price)
            most[price] += sum(len(choice.places) > 0 for choice in choices)
            if price:
                assert choices[-1].places == ()
    # a dear one is left where nothing else has so low a peak
    assert 0 < most[1.0] < most[0.0]


def test_more_modules_than_places():
    assert find_choices(make_model(0), 10) == []


@pytest.mark.parametrize('seed', range(6))
def test_a_limit_leaves_out_what_lies_above(seed):
    model = make_model(seed, num_places=3, num_ways=2)
    choices = find_choices(model)
    for limit in {choice.peak for choice in choices}:
        within = [c for c in choices if c.peak <= limit]
        assert find_choices(model, limit=limit) == within
    assert find_choices(model, limit=choices[0].peak - 1) == []


def test_of_many_more_are_kept_near_a_limit():
    items = list(range(1000))
    even, dense = (keep_some(items, 16, limited) for limited in (False, True))
    assert (even[0], even[-1]) == (dense[0], dense[-1]) == (0, 999)
    assert len(even) == 16
    assert max(b - a for a, b in itertools.pairwise(even)) <= 67
    assert sum(item > 800 for item in dense) > 7
    assert keep_some(items[:16], 16, True) == items[:16]
