"""The search against all choices there are."""

import itertools
import random

import pytest

from localsup_mm.planning.aux_cost import AuxCost
from localsup_mm.planning.memory_model import MemoryModel
from localsup_mm.planning.search import find_choices
from localsup_mm.planning.stretches import StepProfile, Stretch

NUM_PLACES = 8


def make_model(seed):
    """Memory that grows by random steps; five kinds of aux nets."""
    draw = random.Random(seed).randint
    ends = range(NUM_PLACES + 2)
    forward = list(itertools.accumulate(draw(10, 100) for _ in ends))
    kinds = [
        AuxCost(draw(0, 50), draw(5, 60), draw(0, 50), draw(1, 80), draw(1, 5))
        for _ in range(5)
    ]
    gradients = list(itertools.accumulate(draw(0, 9) for _ in ends))
    stretches = [
        Stretch(
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
    profile = StepProfile(
        stretches,
        static=100,
        peak=2 * forward[-1],
        macs=1000,
        state_ratio=0.1,
        live_at_start=forward[0],
        update=draw(0, 50),
    )
    return MemoryModel(
        profile, [kinds[i * 5 // NUM_PLACES] for i in range(NUM_PLACES)]
    )


def find_by_trying_all(model, k):
    sizes = range(NUM_PLACES + 1) if k is None else [k - 1]
    tried = sorted(
        (
            max(model.peaks(places)),
            sum(model.aux_cost(place).macs for place in places),
        )
        for size in sizes
        for places in itertools.combinations(range(1, NUM_PLACES + 1), size)
    )
    return [
        pair
        for i, pair in enumerate(tried)
        if all(pair[1] < macs for _, macs in tried[:i])
    ]


@pytest.mark.parametrize('k', [None, 1, 2, 4, NUM_PLACES + 1])
@pytest.mark.parametrize('seed', range(10))
def test_nothing_better_is_missed(seed, k):
    model = make_model(seed)
    choices = find_choices(model, k)
    found = [(c.peak, c.macs) for c in choices]
    assert found == find_by_trying_all(model, k)
    for choice in choices:
        assert max(model.peaks(choice.places)) == choice.peak


def test_more_modules_than_places():
    assert find_choices(make_model(0), NUM_PLACES + 2) == []
